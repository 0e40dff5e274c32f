import type { EventSourceCase } from "../vectors/event_source.ts";
import { ScriptedServer } from "./scripted_server.ts";

/** Plays a case; `observe` is given the address. */
export async function playEventSource(
  { script, asks }: EventSourceCase,
  observe: (url: string) => Promise<string[]>,
): Promise<{ seen: string[]; asked: (string | undefined)[]; expected: readonly (string | undefined)[] }> {
  await using server = await ScriptedServer.start();
  server.onRequest = ({ path }) => path === "/answer" ? { status: 204 } : undefined; // the observer's
  const other = `http://localhost:${server.port}/other`;
  server.add(...script.map((response) => {
    const { location } = response.headers ?? {};
    return location === "OTHER" ? { ...response, headers: { ...response.headers, location: other } } : response;
  }));
  const seen = await observe(`${server.url}events`);
  return {
    seen,
    asked: server.requests.map(({ headers }) => headers["last-event-id"]),
    expected: asks ?? script.map(() => undefined),
  };
}
