// How `createHandler` is typed by its host, for the compiler alone: `deno check`. Nothing here runs.
import type { IncomingMessage } from "node:http";
import { Broker, createHandler, type Handler, type HandlerOptions, type SubscribeOptions } from "../../mod.ts";
import { type NodeInfo, serve, type ServeInfo, toNodeListener } from "../../src/adapters/node.ts";

interface Session {
  readonly user: { readonly id: string };
}

const broker = new Broker();
const request = new Request("http://localhost/");
declare const session: Session;

// The host's own type reaches everything that is told of it
const own = createHandler<Session>(broker, {
  topics: (_request, { user }) => `users/${user.id}`,
  authorize: (_request, { user }) => user.id !== "",
  gone: (_request, { user }) => user.id === "nobody",
  subscribe: (_request, { user }): SubscribeOptions => ({ filter: ({ topics }) => topics.includes(user.id) }),
  onOpen: (subscriber, { url }) => void subscriber.closed.then(() => url),
  filter: ({ data }, { url }) => data !== url,
});
void own(request, session);
// @ts-expect-error: what the host passes is needed
void own(request);
// @ts-expect-error: and it is a session
void own(request, { name: "ann" });

// Inferred from what a function names
const inferred: Handler<Session> = createHandler(broker, { topics: (_request, info: Session) => info.user.id });
void inferred(request, session);

// Nothing is known of it unless it is said
const plain: (request: Request) => Promise<Response> = createHandler(broker, { topics: "a" });
void plain(request);
createHandler(broker, { topics: "a" })(request, { what: "ever" });
// @ts-expect-error: it is unknown
createHandler(broker, { topics: (_request, info) => info.user.id });

// A handler is what `serve` takes
void serve(createHandler(broker, { topics: "a" }));
void serve(createHandler<ServeInfo>(broker, { topics: (_request, { remoteAddress }) => remoteAddress }));
// @ts-expect-error: `serve` passes no session
void serve(own);

// `toNodeListener` passes the host's own request, of the type that the handler names
type Authenticated = IncomingMessage & Session;
toNodeListener(
  createHandler<NodeInfo<Authenticated>>(broker, { topics: (_request, { incoming }) => incoming.user.id }),
);
toNodeListener(createHandler(broker, { topics: "a" }));
toNodeListener((_request, { remoteAddress, incoming }) => new Response(remoteAddress + incoming.url));
// @ts-expect-error: it passes more than a session
toNodeListener(own);

// Options are checked by name and kind
export const options: HandlerOptions = { topics: ["a", "b/*"], patterns: true, start: { last: 3 } };
// @ts-expect-error: no such option
createHandler(broker, { topics: "a", pattern: true });
// @ts-expect-error: topics are text
createHandler(broker, { topics: () => 7 });
// @ts-expect-error: not of a handler: each request has its own
createHandler(broker, { topics: "a", lastEventId: "7" });
// @ts-expect-error: no such overflow
createHandler(broker, { topics: "a", subscribe: () => ({ overflow: "explode" }) });
// @ts-expect-error: a promise is always true
createHandler(broker, { topics: "a", filter: async () => await Promise.resolve(true) });
