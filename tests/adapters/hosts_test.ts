import { assertEquals, assertStringIncludes } from "@std/assert";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, createSecureServer } from "node:http2";
import { createServer as createHttpsServer, get } from "node:https";
import { describe, it } from "node:test";
import { createGzip } from "node:zlib";
import { Broker, createHandler, eventStream } from "../../mod.ts";
import { toNodeListener } from "../../src/adapters/node.ts";
import { listen } from "../support/listen.ts";
import { RawClient } from "../support/raw_client.ts";
import { tls } from "../support/tls.ts";

function test(says: string, run: (broker: Broker) => Promise<void>): void {
  it(says, { timeout: 30_000 }, async () => {
    await using broker = new Broker();
    await run(broker);
  });
}

describe("toNodeListener()", () => {
  test("serves in node:http, and forgets who leaves", async (broker) => {
    const server = createServer(toNodeListener(createHandler(broker, { topics: "a" })));
    const client = await RawClient.open(`http://127.0.0.1:${await listen(server)}/`);
    await client.until(({ body }) => body.includes("\n\n"));
    for (let i = 0; i < 5; i++) await broker.publish("a", { data: String(i) });
    await client.until(({ events }) => events.length === 5);
    client.leave();
    while (broker.stats().subscribers > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    server.close();
  });

  test("ends a stream with its last chunk, and the connection serves again", async (broker) => {
    const server = createServer(toNodeListener(createHandler(broker, { topics: "a" })));
    const client = await RawClient.open(`http://127.0.0.1:${await listen(server)}/`);
    await client.until(({ body }) => body.includes("\n\n"));
    await broker.publish("a", { data: "1" });
    await client.until(({ events }) => events.length === 1);
    await broker.close();
    await client.until(({ body }) => body.endsWith("\r\n0\r\n\r\n"));
    client.socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await client.until(({ body }) => /HTTP\/1\.1 200[^]*retry: \d+/.test(body)); // asked to come back
    client.leave();
    server.close();
  });

  test("waits its turn when requests are pipelined", async (broker) => {
    const handler = createHandler(broker, { topics: "a" });
    const server = createServer(
      toNodeListener(async (request, info) => {
        if (request.url.endsWith("/stream")) return await handler(request, info);
        await new Promise((resolve) => setTimeout(resolve, 50)); // the second answer is ready before the first
        return new Response("first");
      }),
    );
    const client = await RawClient.open(
      `http://127.0.0.1:${await listen(server)}/`,
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /stream HTTP/1.1",
    );
    await client.until(({ text }) => text.includes("text/event-stream"));
    await broker.publish("a", { data: "after" });
    await client.until(({ text }) => text.includes("data: after"));
    assertEquals(client.text.indexOf("first") < client.text.indexOf("text/event-stream"), true);
    client.leave();
    server.close();
  });

  test("serves in node:https", async (broker) => {
    const server = createHttpsServer(tls, toNodeListener(createHandler(broker, { topics: "a" })));
    const port = await listen(server);
    const text = await new Promise<string>((resolve, reject) => {
      const request = get(`https://127.0.0.1:${port}/`, { rejectUnauthorized: false }, (response) => {
        let text = "";
        response.on("data", (bytes: Uint8Array) => {
          if (text === "") void broker.publish("a", { data: "over TLS" });
          text += new TextDecoder().decode(bytes);
          if (!text.includes("over TLS")) return;
          resolve(text);
          request.destroy();
        });
      });
      request.on("error", reject);
    });
    assertStringIncludes(text, "data: over TLS\n\n");
    server.close();
  });

  test("serves in node:http2, without the headers that it forbids", async (broker) => {
    const server = createSecureServer(tls, toNodeListener(createHandler(broker, { topics: "a" })));
    const session = connect(`https://127.0.0.1:${await listen(server)}`, { rejectUnauthorized: false });
    const streams = [session.request({ ":path": "/" }), session.request({ ":path": "/" })];
    const texts = streams.map((stream) =>
      new Promise<string>((resolve) => {
        let text = "";
        stream.on("data", (bytes: Uint8Array) => {
          text += new TextDecoder().decode(bytes);
          if (text.includes("over h2")) resolve(text);
        });
      })
    );
    const [headers] = await Promise.all(streams.map(async (stream) => (await once(stream, "response"))[0]));
    assertEquals([headers[":status"], headers["content-type"], headers.connection], [
      200,
      "text/event-stream",
      undefined,
    ]);
    while (broker.stats().subscribers < 2 || broker.stats().bytes === 0) await new Promise((r) => setTimeout(r, 5));
    await broker.publish("a", { data: "over h2" });
    for (const text of await Promise.all(texts)) assertStringIncludes(text, "data: over h2\n\n");
    session.destroy();
    while (broker.stats().subscribers > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    server.close();
  });

  test("writes through middleware that replaces write(), such as compression", async (broker) => {
    const listener = toNodeListener(createHandler(broker, { topics: "a" }));
    const server = createServer((request, response) => {
      // What compression does: the response's write() goes through a compressor, flush() pushes it out
      const gzip = createGzip();
      const { write } = response;
      gzip.on("data", (bytes: Uint8Array) => void write.call(response, bytes, "utf8"));
      response.setHeader("content-encoding", "gzip");
      response.write = ((bytes: Uint8Array) => gzip.write(bytes)) as typeof response.write;
      (response as { flush?: () => void }).flush = () => gzip.flush();
      listener(request, response);
    });
    const response = await fetch(`http://127.0.0.1:${await listen(server)}/`);
    const reader = response.body!.pipeThrough(new TextDecoderStream() as never).getReader();
    let text = "";
    while (!text.includes("\n\n")) text += (await reader.read()).value;
    await broker.publish("a", { data: "compressed" });
    while (!text.includes("data: compressed\n\n")) text += (await reader.read()).value;
    await reader.cancel();
    server.close();
    server.closeAllConnections();
  });

  test("sends cookies apart, statuses, and bodies that fail", async () => {
    const errors: unknown[] = [];
    const server = createServer(toNodeListener((request) => {
      if (request.url.endsWith("/fails")) return eventStream(async () => await Promise.reject(new Error("mine")));
      return new Response(null, { status: 204, headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
    }, { onError: (error) => void errors.push((error as Error).message) }));
    const url = `http://127.0.0.1:${await listen(server)}/`;
    const client = await RawClient.open(url);
    await client.until(({ text }) => text.includes("\r\n\r\n"));
    assertEquals([client.status, client.text.match(/set-cookie/gi)!.length], [204, 2]);
    client.leave();
    const failing = await RawClient.open(`${url}`, "GET /fails HTTP/1.1");
    await failing.until(({ closed }) => closed);
    assertEquals([failing.body.includes("0\r\n\r\n"), errors], [false, ["mine"]]);
    server.close();
  });
});
