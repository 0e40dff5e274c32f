import { assert, assertEquals, assertLess, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { settle } from "../support/settle.ts";
import { describe, it, mock } from "node:test";
import { type EventFields, eventStream, type EventWriter, SseError } from "../../mod.ts";
import { turns } from "../support/test_sink.ts";

async function* count(to: number): AsyncGenerator<EventFields> {
  for (let i = 1; i <= to; i++) yield { data: String(i) };
}

describe("eventStream()", () => {
  it("sends what a generator yields, and ends with it", async () => {
    const response = eventStream(count(2), { retry: 5, headers: { "x-mine": "1" } });
    assertEquals([response.status, response.headers.get("x-mine")], [200, "1"]);
    assertEquals(response.headers.get("cache-control"), "no-cache, no-transform");
    assertEquals(await response.text(), "retry: 5\ndata: 1\n\ndata: 2\n\n");
  });

  it("sends what a callback sends, and waits for it", async () => {
    const response = eventStream(async ({ send }) => {
      for (let i = 0; i < 3; i++) await send({ data: String(i) });
    });
    assertEquals(await response.text(), ":\ndata: 0\n\ndata: 1\n\ndata: 2\n\n");
  });

  it("sends its first byte before the source has anything", async () => {
    const reader = eventStream(async () => await new Promise(() => {})).body!.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), ":\n");
    await reader.cancel();
  });

  it("reads the source no faster than the client reads", async () => {
    let made = 0;
    const response = eventStream((async function* () {
      for (;;) yield { data: String(made++) };
    })());
    const reader = response.body!.getReader();
    for (let i = 0; i < 10; i++) await reader.read();
    await turns(3);
    assertLess(made, 14);
    await reader.cancel();

    let sent = 0;
    const slow = eventStream(async ({ send }) => {
      for (;;) {
        await send({ data: "" });
        sent++;
      }
    });
    await turns(3);
    assertLess(sent, 4);
    await slow.body!.cancel();
  });

  it("bounds what a callback sends without waiting", async () => {
    const codes: string[] = [];
    const response = eventStream(async ({ send }) => {
      for (let i = 0; i < 2_000; i++) send({ data: String(i) }).catch((error) => codes.push(error.code));
      await turns(1);
    });
    const text = await response.text();
    assert(codes.length > 900 && codes.every((code) => code === "too-many-pending"));
    assertEquals(text.split("data: ").length - 1, 2_000 - codes.length);
  });

  it("stops a generator when the client leaves", async () => {
    const stopped = Promise.withResolvers<void>();
    const cancelled: unknown[] = [];
    const response = eventStream(
      (async function* () {
        try {
          for (;;) yield { data: "" };
        } finally {
          stopped.resolve();
        }
      })(),
      { onCancel: (reason) => cancelled.push(reason) },
    );
    const reader = response.body!.getReader();
    await reader.read();
    await reader.read();
    await reader.cancel("enough");
    await stopped.promise;
    assertEquals(cancelled, ["enough"]);
  });

  it("aborts a callback's signal when the client leaves, and rejects what it still sends", async () => {
    const writer = Promise.withResolvers<EventWriter>();
    const response = eventStream(async (stream) => {
      writer.resolve(stream);
      await new Promise(() => {});
    });
    const reader = response.body!.getReader();
    await reader.read();
    const { send, signal } = await writer.promise;
    void send({ data: "not awaited" }); // must not kill the process
    void send({ data: "not awaited" });
    await reader.cancel();
    assertEquals(signal.aborted, true);
    assertEquals((await assertRejects(() => send({ data: "" }), SseError)).code, "source-failed");
    await turns(2);
  });

  it("tells nobody what a generator throws because its client has left, or that it never began", async () => {
    const told: unknown[] = [];
    const onError = (error: unknown): undefined => void told.push(error);
    const reading = Promise.withResolvers<void>();
    const response = eventStream(async function* ({ signal }) {
      reading.resolve();
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      yield { data: "never" };
    }, { onError });
    const reader = response.body!.getReader();
    await reader.read();
    void reader.read();
    await reading.promise;
    await reader.cancel("left");
    await eventStream(async () => {}, { onError }).body!.cancel();
    await settle();
    assertEquals(told, []);
  });

  it("fails the body with what the source throws", async () => {
    const mine = new Error("mine");
    for (
      const response of [
        eventStream((async function* () {
          yield { data: "1" };
          throw mine;
        })()),
        eventStream(async ({ send }) => {
          await send({ data: "1" });
          throw mine;
        }),
      ]
    ) {
      assertEquals(await assertRejects(() => response.text()), mine);
    }
  });

  it("makes a last event of it when told how", async () => {
    const response = eventStream(
      (async function* () {
        yield { data: "1" };
        throw new Error("mine");
      })(),
      { onError: (error) => ({ event: "error", data: (error as Error).message }) },
    );
    assertStringIncludes(await response.text(), "data: 1\n\nevent: error\ndata: mine\n\n");
    const silent = eventStream(async () => await Promise.reject(new Error("mine")), { onError: () => undefined });
    assertEquals(await silent.text(), ":\n");
  });

  it("treats an event that cannot be encoded as an error of the source, which it stops", async () => {
    let stopped = false;
    const response = eventStream((async function* () {
      try {
        yield { event: "a\nb" };
      } finally {
        stopped = true;
      }
    })());
    await assertRejects(() => response.text(), TypeError);
    assert(stopped);
    const callback = eventStream(async ({ send }) => {
      await assertRejects(() => send({ event: "a\nb" }), TypeError); // ends nothing
      await send({ data: "goes on" });
    });
    assertStringIncludes(await callback.text(), "goes on");
  });

  it("beats when the source is silent, and leaves no timer", async () => {
    mock.timers.enable({ apis: ["setInterval"] });
    try {
      const gate = Promise.withResolvers<void>();
      const reader = eventStream(
        (async function* () {
          await gate.promise;
          yield { data: "1" };
        })(),
        { heartbeat: 1_000 },
      ).body!.getReader();
      await reader.read();
      const beat = reader.read();
      await turns(1);
      mock.timers.tick(1_100);
      assertEquals(new TextDecoder().decode((await beat).value), ":\n");
      gate.resolve();
      assertEquals(new TextDecoder().decode((await reader.read()).value), "data: 1\n\n");
      assertEquals((await reader.read()).done, true);
      mock.timers.tick(100_000);
    } finally {
      mock.timers.reset();
    }
  });

  it("refuses what is no source", () => {
    for (const source of [undefined, null, 7, [], {}]) assertThrows(() => eventStream(source as never), TypeError);
    assertThrows(() => eventStream(count(1), { heartbeat: -1 }), RangeError);
    assertThrows(() => eventStream(count(1), { retry: -1 }), RangeError);
  });
});
