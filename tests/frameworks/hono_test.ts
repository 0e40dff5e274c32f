import { assertEquals } from "@std/assert";
import { Hono } from "hono";
import { describe, it } from "node:test";
import { Broker, createHandler, topicOfPath } from "../../mod.ts";

describe("createHandler() in Hono", () => {
  it("works as it is", { timeout: 30_000 }, async () => {
    await using broker = new Broker();
    const handler = createHandler(broker, { topics: (request) => topicOfPath(request) });
    const app = new Hono();
    app.use(async (context, next) => {
      await next();
      context.header("x-middleware", "1");
    });
    app.get("/news", (context) => handler(context.req.raw, context));
    const response = await app.request("/news");
    assertEquals([response.headers.get("x-middleware"), response.headers.get("content-type")], [
      "1",
      "text/event-stream",
    ]);
    await broker.publish("news", { data: "1" });
    const reader = response.body!.pipeThrough(new TextDecoderStream() as never).getReader();
    let text = "";
    while (!text.includes("data: 1\n\n")) text += (await reader.read()).value;
    await reader.cancel();
    assertEquals(broker.stats().subscribers, 0);
  });
});
