import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "node:test";
import { bundle } from "../support/bundle.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

describe("In workerd", () => {
  it("createHandler() works", { timeout: 60_000 }, async () => {
    const { Miniflare } = await import("miniflare");
    const script = bundle(`import { Broker, createHandler } from "core";
export default {
  async fetch(request: Request): Promise<Response> {
    const broker = new Broker(); // a worker may not share streams between requests
    const response = await createHandler(broker, { topics: "a" })(request);
    void (async () => {
      await broker.publish("a", { data: "from the worker" });
      while (broker.stats().delivered === 0) await new Promise((resolve) => setTimeout(resolve, 5)); // until it is read
      await broker.close();
    })();
    return response;
  },
};`);
    const worker = new Miniflare({ modules: true, script, compatibilityDate: "2026-07-01" });
    try {
      const response = await worker.dispatchFetch("http://localhost/stream");
      const reader = response.body!.getReader();
      let text = "";
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        text += new TextDecoder().decode(chunk.value as Uint8Array);
      }
      assertMatch(
        text,
        /^event: checkpoint\nid: ~\S+\n\nid: ~\S+\ndata: from the worker\n\nevent: close\ndata: \{"reason":"drain"\}\n\n$/,
      );
    } finally {
      await worker.dispose();
    }
  });

  // Before November 2024 its `fetch` refuses the member `cache`
  for (const compatibilityDate of ["2024-01-01", "2026-07-01"]) {
    it(`connect() works, compatible with ${compatibilityDate}`, { timeout: 60_000 }, async () => {
      const { Miniflare } = await import("miniflare");
      await using server = await ScriptedServer.start([
        { chunks: ["id: 1\ndata: a\n\n"], then: "end" },
        { chunks: ["data: b\n\n"] },
      ]);
      const script = bundle(`import { connect } from "client";
export default {
  async fetch(): Promise<Response> {
    const seen: string[] = [];
    for await (const { data, lastEventId } of connect("${server.url}", { backoff: { max: 1 } })) {
      if (seen.push(data + lastEventId) === 2) break;
    }
    return Response.json(seen);
  },
};`);
      const worker = new Miniflare({ modules: true, script, compatibilityDate });
      try {
        const response = await worker.dispatchFetch("http://localhost/");
        assertEquals(await response.json(), ["a1", "b1"]);
        assertEquals(
          server.requests.map(({ headers }) => headers["last-event-id"]),
          [undefined, "1"],
        );
      } finally {
        await worker.dispose();
      }
    });
  }
});
