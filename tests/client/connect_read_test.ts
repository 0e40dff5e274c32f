import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { connect, type ParsedEvent, type ResponseError } from "../../src/client/mod.ts";
import { answers, data, open, stream } from "../support/answers.ts";
import { observeApart } from "../support/observe_apart.ts";
import { ScriptedServer } from "../support/scripted_server.ts";
import { settle } from "../support/settle.ts";

describe("connect() read in a loop", () => {
  it("asks for nothing before the first next()", async () => {
    let calls = 0;
    const connection = connect("http://localhost", {
      fetch: () => {
        calls++;
        return Promise.resolve(open("")());
      },
    });
    const events = connection[Symbol.asyncIterator]();
    await settle();
    assertEquals([calls, connection.readyState], [0, "connecting"]);
    const next = events.next();
    await connection.close();
    assertEquals(await next, { done: true, value: undefined });
  });

  it("gives overlapping next() their events in order", async () => {
    const events = connect("http://localhost", { fetch: answers(open("data: a\n\ndata: b\n\n")) })
      [Symbol.asyncIterator]();
    const [a, b] = await Promise.all([events.next(), events.next()]);
    assertEquals([a.value?.data, b.value?.data], ["a", "b"]);
    await events.return!();
    assertEquals(await events.next(), { done: true, value: undefined });
  });

  it("has the ID of the event that was given out, not of those that wait", async () => {
    const connection = connect("http://localhost", {
      fetch: answers(open("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n")),
    });
    const ids: string[] = [];
    for await (const { data } of connection) {
      ids.push(connection.lastEventId);
      if (data === "b") break;
    }
    assertEquals([ids, connection.lastEventId], [["1", "3"], "3"]);
  });

  it("keeps that ID when it is left in the middle", async () => {
    const connection = connect("http://localhost", {
      fetch: answers(open("id: 1\ndata: a\n\nid: 2\ndata: b\n\n")),
    });
    await data(connection, 1);
    assertEquals(connection.lastEventId, "1");
    assertEquals(await connection.closed, { reason: "closed" });
  });

  it("cannot be read twice, or in two ways", async () => {
    const connection = connect("http://localhost", { fetch: answers(open("data: a\n\n")) });
    connection[Symbol.asyncIterator]();
    assertThrows(() => connection[Symbol.asyncIterator](), TypeError);
    assertThrows(() => connection.on("message", () => {}), TypeError);
    await connection.close();
    const other = connect("http://localhost", { fetch: answers(open("data: a\n\n")) });
    other.on("message", () => {});
    assertThrows(() => other[Symbol.asyncIterator](), TypeError);
    await other.close();
  });

  it("lets go of the socket when it is left", async () => {
    await using server = await ScriptedServer.start([{ chunks: ["data: a\n\n"] }]);
    assertEquals(await data(connect(server.url), 1), ["a"]);
    await server.abandoned(1);
  });

  it("slows the socket when it is slow, and loses nothing", async () => {
    const chunk = new TextEncoder().encode(`data: ${"x".repeat(65_000)}\n\n`);
    let pulled = 0;
    await using server = await ScriptedServer.start();
    const total = 1_000;
    server.onRequest = ({ path }) =>
      path === "/turn" ? { status: 204 } : ({
        chunks: (function* () {
          for (; pulled < total; pulled++) yield chunk;
        })(),
        paced: true,
        then: "end",
      });
    const connection = connect(server.url, { reconnect: false });
    const events = connection[Symbol.asyncIterator]();
    await events.next();
    // Until the server is held up: it answers others, and sends nothing here meanwhile
    for (let idle = 0, before = -1; idle < 50; idle = before === pulled ? idle + 1 : 0) {
      before = pulled;
      await (await fetch(`${server.url}turn`)).body?.cancel();
    }
    assertLess(pulled, 400); // 26 MB: buffers of the kernel and the runtime
    let count = 1;
    while (!(await events.next()).done) count++;
    assertEquals(count, total);
  });
});

describe("connect() read by listeners", () => {
  it("calls those of the type, then those of any, in order, until they are removed", async () => {
    const seen: string[] = [];
    const connection = connect("http://localhost", {
      fetch: answers(open("data: a\n\nevent: add\nid: 1\ndata: b\n\ndata: c\n\ndata: d\n\n")),
    });
    const note = (who: string) => ({ type, data, lastEventId }: ParsedEvent): void =>
      void seen.push(`${who} ${type} ${data} ${lastEventId}`);
    connection.onAny(note("any"));
    connection.on("message", note("first"));
    const remove = connection.on("message", note("second"));
    connection.on("add", note("add"));
    const done = Promise.withResolvers<void>();
    connection.on("message", ({ data }) => {
      if (data === "c") remove();
      if (data === "d") done.resolve();
    });
    await done.promise;
    await connection.close();
    assertEquals(seen, [
      "first message a ",
      "second message a ",
      "any message a ",
      "add add b 1",
      "any add b 1",
      "first message c 1",
      "second message c 1",
      "any message c 1",
      "first message d 1",
      "any message d 1",
    ]);
  });

  it("dispatches nothing after close(), and tells what was last", async () => {
    const seen: string[] = [];
    const connection = connect("http://localhost", {
      fetch: answers(open("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n")),
    });
    connection.on("message", ({ data }) => {
      seen.push(data);
      if (data === "b") void connection.close();
    });
    connection.onAny(({ data }) => seen.push(`any ${data}`));
    assertEquals(await connection.closed, { reason: "closed" });
    await settle();
    assertEquals([seen, connection.lastEventId], [["a", "any a", "b"], "2"]);
  });

  it("tells by `closed` why it has failed", async () => {
    const connection = connect("http://localhost", { fetch: answers(stream("", { status: 404 })) });
    connection.on("message", () => {});
    const { reason, error } = await connection.closed;
    assertEquals([reason, (error as ResponseError).status], ["failed", 404]);
  });
});

describe("A program that has closed its connection", () => {
  it("ends by itself; a listener that throws harms nobody and is not swallowed", { timeout: 20_000 }, async () => {
    await using server = await ScriptedServer.start([{ chunks: ["data: a\n\ndata: b\n\n", "data: end\n\n"] }]);
    const { seen, uncaught } = await observeApart({ url: server.url });
    assertEquals(seen, ["a", "b", "end"]);
    assertEquals(uncaught, ["thrown for a", "thrown for b", "thrown for end"]);
  });
});
