import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler } from "../../mod.ts";
import {
  connect,
  type ConnectOptions,
  type EventStreamConnection,
  type Gap,
  type ParsedEvent,
} from "../../src/client/mod.ts";
import { answers, data, open, SOON, stream } from "../support/answers.ts";

describe("connect() tells", () => {
  it("of Freshet's gap and close events, in their place", async () => {
    const broker = new Broker();
    await broker.publish("pets", { data: "a" });
    const handler = createHandler(broker, { topics: "pets" });
    const told: unknown[] = [];
    const connection = connect("http://localhost", {
      lastEventId: "of another time",
      fetch: (url, init) => handler(new Request(url, init)),
      onGap: (gap: Gap) => told.push([gap.reason, gap.requested]),
      onCloseNotice: (reason) => {
        told.push(reason);
        void connection.close();
      },
    });
    for await (const { data } of connection) {
      told.push(data);
      void broker.close();
    }
    assertEquals(told, [["unknown", "of another time"], "a", "drain"]);
  });

  it("of the server's close event, after which it comes back", async () => {
    const told: string[] = [];
    const connection = connect("http://localhost", {
      fetch: answers(stream('event: close\ndata: {"reason":"drain"}\n\n'), open("data: a\n\n")),
      backoff: SOON,
      onCloseNotice: (reason) => told.push(reason),
      onRetry: () => told.push("again"),
    });
    assertEquals([await data(connection, 1), told], [["a"], ["drain", "again"]]);
  });

  it("dispatches what only looks like them, and all of them when nobody asked", async () => {
    const text = 'event: gap\ndata: 7\n\nevent: close\ndata: bye\n\nevent: gap\ndata: {"reason":"x"}\n\n';
    const options = { fetch: answers(stream(text)), reconnect: false };
    assertEquals((await data(connect("http://localhost", options))).length, 3);
    const told: unknown[] = [];
    const hooks = { onGap: (gap: Gap) => told.push(gap.reason), onCloseNotice: (reason: string) => told.push(reason) };
    assertEquals(await data(connect("http://localhost", { ...options, ...hooks })), ["7", "bye"]);
    assertEquals(told, ["x"]);
  });

  it("dispatches a close event that nobody asked for, and other types that hold the same", async () => {
    const text = 'data: {"reason":"x"}\n\nevent: close\ndata: {"reason":"y"}\n\n';
    const told: unknown[] = [];
    const seen = async (options: ConnectOptions): Promise<number> =>
      (await data(connect("http://localhost", { fetch: answers(stream(text)), reconnect: false, ...options }))).length;
    assertEquals(await seen({ onGap: (gap) => told.push(gap) }), 2);
    assertEquals(await seen({ onCloseNotice: (reason) => told.push(reason) }), 1);
    assertEquals(told, ["y"]);
  });

  for (const lastEventId of ["0", undefined]) {
    it(`by lastEventId what was given out, not what waits: ${lastEventId ?? "nothing"} at first`, async () => {
      const told: string[] = [];
      const connection = connect("http://localhost", {
        lastEventId,
        fetch: answers(open(": b\nid: 1\ndata: a\n\n")),
        onComment: () => told.push(connection.lastEventId),
      });
      await data(connection, 1);
      assertEquals([...told, connection.lastEventId], [lastEventId ?? "", "1"]);
    });
  }

  it("of comments, of responses, and of its state", async () => {
    const told: unknown[] = [];
    const connection = connect("http://localhost", {
      fetch: answers(stream(": beat\n\ndata: a\n\n"), open("data: b\n\n")),
      backoff: SOON,
      onComment: (comment) => told.push(comment),
      onOpen: ({ status }) => told.push([status, connection.readyState]),
      onRetry: () => told.push(connection.readyState),
    });
    told.push(connection.readyState);
    await data(connection, 2);
    assertEquals(told, ["connecting", [200, "open"], "beat", "connecting", [200, "open"]]);
  });

  for (const how of ["a loop", "listeners"] as const) {
    it(`of comments in their place between the events, to ${how}`, async () => {
      const told: string[] = [];
      const connection = connect("http://localhost", {
        fetch: answers(stream(": 1\ndata: a\n: 2\n\n: 3\n: 4\n\ndata: b\n\n: 5\n"), open("data: c\n\n: 6\n")),
        backoff: SOON,
        onComment: (comment) => told.push(comment),
        onRetry: () => told.push("again"),
      });
      const note = ({ data }: ParsedEvent): void => {
        told.push(data);
        if (data === "c") void connection.close();
      };
      if (how === "a loop") { for await (const event of connection) note(event); }
      else connection.onAny(note);
      await connection.closed;
      assertEquals(told, ["1", "2", "a", "3", "4", "b", "5", "again", "c"]);
    });
  }

  it("of each change of its state, once", async () => {
    const told: unknown[] = [];
    const connection = connect("http://localhost", {
      fetch: answers(stream("data: a\n\n"), () => Promise.reject(new TypeError("down")), open("data: b\n\n")),
      backoff: SOON,
      onReadyState: (state) => told.push([state, connection.readyState]),
      onOpen: () => told.push("opened"),
      onRetry: () => told.push("lost"),
    });
    await data(connection, 2);
    await connection.close();
    assertEquals(told, [
      ["open", "open"],
      "opened",
      ["connecting", "connecting"],
      "lost",
      "lost",
      ["open", "open"],
      "opened",
      ["closed", "closed"],
    ]);
  });

  for (const state of ["open", "connecting"] as const) {
    it(`nothing more when it is closed as it is told of ${state}`, async () => {
      const told: string[] = [];
      const connection = connect("http://localhost", {
        fetch: answers(stream("")),
        backoff: SOON,
        onReadyState: (now) => {
          told.push(now);
          if (now === state) void connection.close();
        },
        onRetry: () => told.push("lost"),
      });
      assertEquals(await data(connection), []);
      assertEquals(told, state === "open" ? ["open", "closed"] : ["open", "connecting", "closed"]);
    });
  }

  it("is closed by `await using`", async () => {
    let kept: EventStreamConnection;
    {
      await using connection = connect("http://localhost", { fetch: answers(open("data: a\n\n")) });
      connection.on("message", () => {});
      kept = connection;
    }
    assertEquals(await kept.closed, { reason: "closed" });
  });
});
