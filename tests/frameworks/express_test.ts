import { assertEquals } from "@std/assert";
import express from "express";
import { createServer, type IncomingMessage } from "node:http";
import { describe, it } from "node:test";
import { Broker, createHandler, parseEvents, topicOfPath } from "../../mod.ts";
import { type NodeInfo, toNodeListener } from "../../src/adapters/node.ts";
import { listen } from "../support/listen.ts";
import { RawClient } from "../support/raw_client.ts";

describe("toNodeListener() in Express", () => {
  it("serves as a route, mounted and with a body", { timeout: 30_000 }, async () => {
    await using broker = new Broker();
    const app = express();
    app.get(
      "/live/{*rest}",
      toNodeListener(createHandler(broker, {
        topics: (request) => topicOfPath(request, "/live/"),
      })) as never,
    );
    app.use((request: IncomingMessage & { user?: unknown }, _response: unknown, next: () => void) => {
      request.user = { id: request.headers["x-user"] };
      next();
    });
    app.get(
      "/mine",
      toNodeListener(createHandler<NodeInfo<IncomingMessage & { readonly user: { readonly id: string } }>>(broker, {
        topics: (_request, { incoming }) => `users/${incoming.user.id}`,
      })) as never,
    );
    const router = express.Router();
    router.use(toNodeListener((request) => new Response(new URL(request.url).pathname)) as never);
    app.use("/mounted", router);
    app.post("/echo", toNodeListener(async (request) => new Response(await request.text())) as never);
    const server = createServer(app);
    const url = `http://127.0.0.1:${await listen(server)}/`;
    const client = await RawClient.open(url, "GET /live/a/b HTTP/1.1");
    await client.until(({ body }) => body.includes("\n\n"));
    await broker.publish("a/b", { data: "1" });
    await client.until(({ events }) => events.length === 1);
    client.leave();
    const mine = parseEvents(await fetch(`${url}mine`, { headers: { "x-user": "ann" } }));
    const next = mine.next();
    while (await broker.count("users/ann") === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await broker.publish("users/ann", { data: "for ann" });
    assertEquals((await next).value?.data, "for ann");
    await mine.return?.();
    assertEquals(await (await fetch(`${url}mounted/x`)).text(), "/mounted/x");
    assertEquals(await (await fetch(`${url}echo`, { method: "POST", body: "hello" })).text(), "hello");
    server.close();
    server.closeAllConnections();
  });
});
