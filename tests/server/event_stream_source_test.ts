import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type EventFields, eventStream, type EventStreamOptions, SseError } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";
import { turns } from "../support/test_sink.ts";

/** Reads the first byte of a response, and so begins its source. */
async function begun(response: Response): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const reader = response.body!.getReader();
  await reader.read();
  await turns(1);
  return reader;
}

describe("eventStream() takes", () => {
  it("a generator function that nobody has called", async () => {
    const response = eventStream(async function* () {
      yield { data: "1" };
      yield { data: "2" };
    });
    assertEquals(await response.text(), ":\ndata: 1\n\ndata: 2\n\n");
  });

  it("a function that makes an async iterable, and gives it the signal", async () => {
    const signals: AbortSignal[] = [];
    const response = eventStream(({ signal }) => {
      signals.push(signal);
      return ReadableStream.from<EventFields>([{ data: "1" }]);
    });
    assertEquals(signals, []); // it begins with the first read
    assertEquals(await response.text(), ":\ndata: 1\n\n");
    assertEquals(signals.length, 1);
  });

  it("a callback, by what it returns: a promise", async () => {
    const response = eventStream(({ send }) => send({ data: "1" }).then(() => {}));
    assertEquals(await response.text(), ":\ndata: 1\n\n");
  });

  it("nothing else", async () => {
    for (const source of [undefined, null, 7, "a", [], {}, new Map()]) {
      assertThrows(() => eventStream(source as never), TypeError);
    }
    const functions: readonly (() => unknown)[] = [
      () => undefined,
      () => [{ data: "1" }],
      () => ({ data: "1" }),
      function* () {
        yield { data: "1" };
      },
      async () =>
        await Promise.resolve((async function* () {
          yield { data: "1" };
        })()),
    ];
    for (const source of functions) {
      const error = await assertRejects(() => eventStream(source as never).text(), TypeError);
      assertStringIncludes(error.message, "async iterable");
    }
  });

  it("what a function throws at once as any error of the source", async () => {
    const source = (): never => {
      throw new Error("mine");
    };
    await assertRejects(() => eventStream(source).text(), Error, "mine");
    const response = eventStream(source, { onError: (error) => ({ data: (error as Error).message }) });
    assertEquals(await response.text(), ":\ndata: mine\n\n");
  });

  it("send() only in a callback: of a generator it is refused", async () => {
    const codes: string[] = [];
    const response = eventStream(async function* ({ send }) {
      codes.push((await assertRejects(() => send({ data: "lost" }), SseError)).code);
      yield { data: "1" };
    });
    assertEquals(await response.text(), ":\ndata: 1\n\n");
    assertEquals(codes, ["source-failed"]);
  });
});

describe("eventStream(), before the response is read,", () => {
  it("calls no function, reads nothing, and starts no timer", async () => {
    const { setInterval: set } = globalThis;
    let timers = 0;
    let calls = 0;
    Object.assign(globalThis, { setInterval: (...args: Parameters<typeof set>) => (timers++, set(...args)) });
    try {
      const responses = [
        eventStream(() => {
          calls++;
          return Promise.resolve();
        }),
        eventStream((async function* () {
          calls++;
          yield { data: "" };
        })()),
      ];
      await turns(2);
      assertEquals([calls, timers], [0, 0]);
      for (const response of responses) await response.body!.cancel();
      assertEquals([calls, timers], [0, 0]);
    } finally {
      Object.assign(globalThis, { setInterval: set });
    }
  });

  it("returns from an iterable when it is cancelled, as that may hold something already", async () => {
    let returned = 0;
    const source: AsyncIterable<EventFields> = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: true, value: undefined }),
        return: () => (returned++, Promise.resolve({ done: true, value: undefined })),
      }),
    };
    await eventStream(source).body!.cancel();
    assertEquals(returned, 1);
  });
});

describe("eventStream(), when the client leaves,", () => {
  it("ends a broker's subscription inside a generator at once, though that waits", async () => {
    await using broker = new Broker();
    const reader = await begun(eventStream(async function* ({ signal }) {
      for await (const { data } of broker.subscribe("a", { signal })) yield { data };
    }));
    assertEquals(broker.stats().subscribers, 1);
    await reader.cancel();
    assertEquals(broker.stats().subscribers, 0);
  });

  it("does not wait for a generator that waits for ever", async () => {
    const reasons: unknown[] = [];
    const reader = await begun(eventStream(
      (async function* () {
        await new Promise(() => {});
        yield { data: "" };
      })(),
      { onCancel: (reason) => reasons.push(reason) },
    ));
    await reader.cancel("gone");
    assertEquals(reasons, ["gone"]);
  });

  for (const isAsync of [false, true]) {
    const onCancel = (): void | Promise<void> => {
      if (isAsync) return Promise.reject(new Error("mine"));
      throw new Error("mine");
    };

    it(`stops its source although ${isAsync ? "an async" : "an"} onCancel throws, which whoever cancels hears`, async () => {
      let isStopped = false;
      const reader = await begun(eventStream(
        (async function* () {
          try {
            for (;;) yield { data: "" };
          } finally {
            isStopped = true;
          }
        })(),
        { onCancel },
      ));
      await assertRejects(() => reader.cancel(), Error, "mine");
      assert(isStopped);
    });

    it(`tells onError what ${isAsync ? "an async" : "an"} onCancel throws, and sends nothing`, async () => {
      const errors: string[] = [];
      const onError: EventStreamOptions["onError"] = (error) => {
        errors.push((error as Error).message);
        return { data: "never sent" };
      };
      const reader = await begun(eventStream(() => new Promise(() => {}), { onCancel, onError }));
      await reader.cancel();
      assertEquals(errors, ["mine"]);
    });

    it(`lives on when ${isAsync ? "an async" : "an"} onCancel throws on ${runtime}`, { timeout: 30_000 }, async () => {
      const left = Promise.withResolvers<void>();
      await using server = await serve(
        ({ url }) =>
          url.endsWith("well") ? new Response("well") : eventStream(() => new Promise(() => {}), {
            onCancel: () => {
              left.resolve();
              return onCancel();
            },
          }),
        { port: 0, onError: () => undefined },
      );
      const client = await RawClient.open(server.url);
      await client.until(({ body }) => body.includes(":\n"));
      client.leave();
      await left.promise;
      await turns(5);
      assertEquals(await (await fetch(`${server.url}well`)).text(), "well");
    });
  }

  it("tells onError what the end of a generator throws", async () => {
    const told = Promise.withResolvers<unknown>();
    const mine = new Error("mine");
    const reader = await begun(eventStream(
      (async function* () {
        try {
          for (;;) yield { data: "" };
        } finally {
          // deno-lint-ignore no-unsafe-finally
          throw mine;
        }
      })(),
      { onError: (error) => void told.resolve(error) },
    ));
    await reader.cancel();
    assertEquals(await told.promise, mine);
  });
});
