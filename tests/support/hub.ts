import { SignJWT } from "jose";
import { createHub, type Hub, type HubOptions } from "../../src/hub/hub.ts";

/** The secret of the hubs' tokens. */
export const SECRET = "a secret of the tests, long enough";

/** A token by the secret, an hour long unless told otherwise. */
export async function token(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key: string = SECRET,
): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  return await new SignJWT({ exp, ...claims }).setProtectedHeader({ alg: "HS256", ...header })
    .sign(new TextEncoder().encode(key));
}

/** The header that shows a token. */
export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** Asks a hub's public port. */
export function get(hub: Hub, path: string, headers: Record<string, string> = {}, info?: unknown): Promise<Response> {
  return hub.public(new Request(`http://hub.example${path}`, { headers }), info);
}

/** Posts to a hub's public port. */
export function post(hub: Hub, path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  return hub.public(new Request(`http://hub.example${path}`, { method: "POST", body, headers }));
}

/** The status; a stream that was opened is left again. */
export async function statusOf(response: Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

/** Runs a test with a hub that asks for tokens. */
export async function withHub(run: (hub: Hub) => Promise<void>, options: HubOptions = {}): Promise<void> {
  await using hub = createHub({ tokens: { secret: SECRET }, ...options });
  await run(hub);
}
