import type { Broker } from "../broker/broker.ts";
import { checkPublication } from "../broker/publication.ts";
import { problem } from "../server/problem.ts";
import { channelTopic, userTopic } from "./channel.ts";
import type { ConnectionEnds } from "./connection_ends.ts";
import { publicationsOf } from "./emit.ts";
import { type BodyLimits, orProblem, readForm } from "./publish.ts";
import type { Tokens } from "./tokens.ts";

/** In an emit, everybody in the channel. */
const EVERYBODY = "*";

/** Answers `POST /emit/`: publishes a payload to a user of a channel, or to everybody in it. */
export function emit(
  publisher: Pick<Broker, "publish">,
  request: Request,
  bodies: BodyLimits,
  refuse: (topic: string) => Response | undefined,
): Promise<Response> {
  return orProblem(async () => {
    const form = await readForm(request, bodies);
    const [channel, userId, payload] = fieldsOf(form, ["channel", "userId", "payload"]);
    const topic = userId === EVERYBODY ? channelTopic(channel!) : userTopic({ channel: channel!, userId: userId! });
    const refusal = refuse(topic);
    if (refusal !== undefined) return refusal;
    const publications = publicationsOf(payload!);
    for (const publication of publications) checkPublication(topic, publication); // all of them or none
    await Promise.all(publications.map((publication) => publisher.publish(topic, publication)));
    return new Response("OK");
  });
}

/** Answers `POST /token/`: a token for a user of a channel, valid for `exp` seconds. */
export function makeToken(tokens: Tokens | undefined, request: Request, bodies: BodyLimits): Promise<Response> {
  return orProblem(async () => {
    if (tokens === undefined || !tokens.canSign) return problem(501, "This hub has no secret to make tokens with");
    const form = await readForm(request, bodies);
    const [userId, channel, exp] = fieldsOf(form, ["userId", "channel", "exp"]);
    if (!/^[0-9]{1,10}$/.test(exp!) || exp === "0") {
      throw new TypeError(`The field exp must be a number of seconds from 1: got ${JSON.stringify(exp)}`);
    }
    userTopic({ channel: channel!, userId: userId! }); // refuses what could not be subscribed to
    const token = await tokens.sign({ userId, channel }, Number(exp));
    return new Response(token, { headers: { "content-type": "text/plain", "cache-control": "no-store" } });
  });
}

/**
 * Answers `DELETE /connections/<id>` and `DELETE /connections?user=…`: ends streams now, on every node. It says how many
 * this node had; whether another has the one that is named, it does not know.
 */
export function endConnections(ends: ConnectionEnds, request: Request): Promise<Response> {
  return orProblem(async () => {
    const { pathname, searchParams } = new URL(request.url);
    const id = pathname.slice("/connections".length).replace(/^\//, "");
    const user = searchParams.get("user");
    if ((id === "") === (user === null)) {
      return problem(
        400,
        "Name a connection, as in DELETE /connections/<id>, or a user, as in DELETE /connections?user=ann",
      );
    }
    const ended = await ends.end(user === null ? { id } : { user });
    if (ended === 0 && user === null && !ends.reachesOthers) {
      return problem(404, `There is no connection ${JSON.stringify(id)}`);
    }
    return Response.json({ ended });
  });
}

function fieldsOf(form: URLSearchParams, names: readonly string[]): string[] {
  return names.map((name) => {
    const value = form.get(name);
    if (value === null) throw new TypeError(`The form must hold ${names.join(", ")}: got no ${name}`);
    return value;
  });
}
