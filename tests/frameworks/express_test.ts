import { assertEquals } from "@std/assert";
import express from "express";
import { createServer } from "node:http";
import { describe, it } from "node:test";
import { Broker, createHandler, topicOfPath } from "../../mod.ts";
import { toNodeListener } from "../../src/adapters/node.ts";
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
    assertEquals(await (await fetch(`${url}mounted/x`)).text(), "/mounted/x");
    assertEquals(await (await fetch(`${url}echo`, { method: "POST", body: "hello" })).text(), "hello");
    server.close();
    server.closeAllConnections();
  });
});
