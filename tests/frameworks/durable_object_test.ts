import { assertEquals } from "@std/assert";
import { after, before, describe, it } from "node:test";
import type { Miniflare } from "miniflare";
import { type ParsedEvent, parseEvents } from "../../mod.ts";
import { bundle } from "../support/bundle.ts";

/**
 * A broker in a Durable Object, and one at module scope that it uses: made before any request, where there may be no random
 * values, timers and promises yet.
 */
const script = `import { Broker, createHandler, topicOfPath } from "core";

const scope = new Broker();
const scopeStreams = createHandler(scope, { topics: (request) => topicOfPath(request) });

export class Room {
  readonly broker = new Broker();
  readonly streams = createHandler(this.broker, { topics: (request) => topicOfPath(request) });

  async fetch(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const [broker, streams] = pathname.startsWith("/scope/") ? [scope, scopeStreams] : [this.broker, this.streams];
    if (search === "?stats") return Response.json(broker.stats());
    if (request.method !== "POST") return await streams(request);
    return new Response(await broker.publish(topicOfPath(request), { data: await request.text() }));
  }
}

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    return await env.ROOMS.get(env.ROOMS.idFromName("one")).fetch(request);
  },
};`;

const worlds = [
  { compatibilityDate: "2026-07-01", compatibilityFlags: ["enable_request_signal"] },
  { compatibilityDate: "2024-01-01", compatibilityFlags: [] },
];

for (const world of worlds) {
  describe(`On workerd, compatible with ${world.compatibilityDate},`, () => {
    let worker: Miniflare;
    let url: URL;
    before(async () => {
      const { Miniflare } = await import("miniflare");
      worker = new Miniflare({ modules: true, script: bundle(script), durableObjects: { ROOMS: "Room" }, ...world });
      url = await worker.ready;
    });
    after(() => worker.dispose());

    for (const path of ["rooms/7", "scope/7"]) {
      it(`other requests of a Durable Object publish to /${path}, live and replayed`, { timeout: 60_000 }, async () => {
        const publish = async (body: string): Promise<string> =>
          await (await fetch(new URL(path, url), { method: "POST", body })).text();
        const open = async (headers: Record<string, string> = {}): Promise<AsyncIterableIterator<ParsedEvent>> =>
          parseEvents(await fetch(new URL(path, url), { headers }));

        const events = await open();
        const first = events.next();
        const ids = [await publish("1"), await publish("2"), await publish("3")];
        assertEquals([(await first).value?.data, (await events.next()).value?.data], ["1", "2"]);
        await events.return?.();

        const replayed = await open({ "last-event-id": ids[0]! });
        assertEquals([(await replayed.next()).value?.data, (await replayed.next()).value?.data], ["2", "3"]);
        const live = replayed.next();
        await publish("4");
        assertEquals((await live).value?.data, "4");
        await replayed.return?.();
      });
    }

    if (world.compatibilityFlags.includes("enable_request_signal")) {
      it("a client that leaves is removed, by the request's signal", { timeout: 60_000 }, async () => {
        const leaving = new AbortController();
        const response = await fetch(new URL("rooms/7", url), { signal: leaving.signal });
        await response.body!.getReader().read();
        const subscribers = async (): Promise<number> =>
          (await (await fetch(new URL("rooms/7?stats", url))).json()).subscribers;
        assertEquals(await subscribers() > 0, true);
        leaving.abort();
        while (await subscribers() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      });
    }
  });
}
