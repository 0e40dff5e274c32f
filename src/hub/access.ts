import { problem } from "../server/problem.ts";
import { type Grants, isGranted } from "./grants.ts";
import { equalSecrets } from "./secrets.ts";
import { type Identity, TokenError, type Tokens } from "./tokens.ts";

/** Who asks: somebody with a token, somebody without, or one who came by the control handler and may do anything. */
export type Access = Identity | "anonymous" | "trusted";

/** The name that goes with the admin page's password. */
const ADMIN = "admin";

/**
 * Who a request comes from, or the answer to a token that is not valid or cannot be checked.
 */
export async function accessOf(request: Request, tokens: Tokens | undefined): Promise<Access | Response> {
  try {
    return await tokens?.identify(request) ?? "anonymous";
  } catch (error) {
    if (error instanceof TokenError) return unauthorized(error.message);
    return problem(503, "The keys that check tokens cannot be had now", { "retry-after": "5" });
  }
}

/** Whether somebody may publish to a topic, or subscribe to topics and patterns; else the answer that refuses. */
export function refusalOf(
  access: Access,
  may: "subscribe" | "publish",
  wanted: readonly string[],
  anonymous: readonly string[] = [],
): Response | undefined {
  if (access === "trusted") return undefined;
  const granted = [...(access === "anonymous" ? [] : (access as Grants)[may]), ...anonymous];
  const refused = wanted.find((topic) => !isGranted(granted, topic));
  if (refused === undefined) return undefined;
  if (access === "anonymous") return unauthorized(`To ${may} needs a token that allows it`);
  return problem(403, `The token does not allow to ${may}: got ${refused}`);
}

/** Whether somebody may see and end connections; else the answer that refuses. */
export async function adminRefusalOf(
  request: Request,
  tokens: Tokens | undefined,
  password: string | undefined,
): Promise<Response | undefined> {
  const basic = /^basic +(\S+)$/i.exec(request.headers.get("authorization")?.trim() ?? "")?.[1];
  if (basic !== undefined && password !== undefined) {
    const { origin } = new URL(request.url);
    const from = request.headers.get("origin");
    // A browser sends the password whoever's page asks
    if (from !== null && from !== origin) return problem(403, `Pages of other origins may not do this: got ${from}`);
    if (equalSecrets(basic, base64(`${ADMIN}:${password}`))) return undefined;
    return challenge(password);
  }
  if (password !== undefined && !request.headers.has("authorization")) return challenge(password);
  const access = await accessOf(request, tokens);
  if (access instanceof Response) return access;
  if (access === "anonymous" || access === "trusted") return challenge(password);
  return access.admin ? undefined : problem(403, "The token does not allow this: it must say admin");
}

/** 401, as RFC 6750 has it. */
function unauthorized(why: string): Response {
  // Its description may hold these characters only, whatever the token's claims hold
  const description = why.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'");
  return problem(401, why, { "www-authenticate": `Bearer error="invalid_token", error_description="${description}"` });
}

function challenge(password: string | undefined): Response {
  if (password === undefined) return unauthorized("This needs a token that says admin");
  return problem(401, "This needs the admin's password", {
    "www-authenticate": 'Basic realm="Freshet", charset="UTF-8"',
  });
}

/** Of the text as UTF-8, as the challenge asks for. */
function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}
