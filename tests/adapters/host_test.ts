import { assertEquals } from "@std/assert";
import { after, before, describe, it } from "node:test";
import type { Server } from "../../src/server/serve_options.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";

describe(`serve() on ${runtime} answers a request`, () => {
  let server: Server;
  let handled = 0;
  before(async () => {
    server = await serve((request) => (handled++, new Response(new URL(request.url).host)), { port: 0 });
  });
  after(() => server.close());

  const cases: ReadonlyArray<readonly [hosts: readonly string[], status: number]> = [
    [["hub.example"], 200],
    [["hub.example:8080"], 200],
    [["a_b.example"], 200],
    [["127.0.0.1"], 200],
    [["[::1]:80"], 200],
    [[], 400],
    [[""], 400],
    [["a.example", "b.example"], 400],
    [["a.example", "a.example"], 400],
    [["a.example,b.example"], 400],
    [["a b"], 400],
    [["user@evil.example"], 400],
    [["user:pass@evil.example"], 400],
    [["evil.example/admin?"], 400],
    [["evil.example#"], 400],
    [["evil.example\\"], 400],
    [["[::1"], 400],
    [["[::g]"], 400],
    [["a.example:99999"], 400],
    [["a.example:x"], 400],
  ];
  for (const [hosts, status] of cases) {
    it(`to ${JSON.stringify(hosts)} with ${status}`, { timeout: 60_000 }, async () => {
      const before = handled;
      const lines = hosts.map((host) => `\r\nhost: ${host}`).join("");
      const client = await RawClient.open(server.url, `GET /p HTTP/1.1\r\nconnection: close${lines}`, {
        host: undefined,
      });
      await client.until(({ closed }) => closed);
      assertEquals([client.status, handled - before], [status, status === 200 ? 1 : 0], client.text);
    });
  }
});
