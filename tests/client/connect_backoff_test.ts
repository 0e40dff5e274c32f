import { assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import { describe, it, mock } from "node:test";
import { makeBackoff } from "../../src/client/backoff.ts";
import { connect, type ConnectOptions, type EventStreamConnection } from "../../src/client/mod.ts";
import { answers, data, stream } from "../support/answers.ts";
import { FakePage } from "../support/fake_page.ts";
import { settle } from "../support/settle.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** A connection whose attempts, and the waits between them, are awaited by a test. */
class Watched {
  readonly connection: EventStreamConnection;
  /** Of each attempt that has failed: how often in a row, and the wait in milliseconds. */
  readonly retries: [attempt: number, delay: number][] = [];
  requests = 0;
  #retried = Promise.withResolvers<number>();
  #asked = Promise.withResolvers<void>();

  constructor({ fetch, ...options }: ConnectOptions) {
    this.connection = connect("http://localhost", {
      ...options,
      fetch: (url, init) => {
        this.requests++;
        this.#asked.resolve();
        this.#asked = Promise.withResolvers();
        return fetch!(url, init);
      },
      onRetry: (_error, delay, attempt) => {
        this.retries.push([attempt, delay]);
        this.#retried.resolve(delay);
        this.#retried = Promise.withResolvers();
      },
    });
    void data(this.connection);
  }

  /** The wait that begins when the attempt under way fails. */
  get wait(): Promise<number> {
    return this.#retried.promise;
  }

  /** The next attempt. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }
}

/** A stream that a test ends. */
function held(): { response: Response; end: () => void } {
  let end = (): void => {};
  const body = new ReadableStream<Uint8Array>({ start: (controller) => end = () => controller.close() });
  return { response: new Response(body, { headers: { "content-type": "text/event-stream" } }), end: () => end() };
}

describe("connect() backs off", () => {
  for (const [luck, chance] of [["the shortest", 1 - 2 ** -53], ["the longest", 0]] as const) {
    it(`from a server that accepts and ends: at most 8 requests in 6 s, with ${luck} waits`, async () => {
      using clock = new VirtualClock();
      const random = mock.method(Math, "random", () => chance);
      const watched = new Watched({ fetch: answers(stream("")) });
      for (let elapsed = 0; elapsed < 6_000 && watched.requests <= 8;) {
        const delay = await watched.wait;
        elapsed += delay;
        if (elapsed < 6_000) clock.advance(delay);
      }
      random.mock.restore();
      assertLessOrEqual(watched.requests, 8);
      assertEquals(watched.retries.map(([attempt]) => attempt), watched.retries.map((_, i) => i + 1));
      await watched.connection.close();
    });
  }

  for (const [lasted, attempt] of [[4_999, 3], [5_000, 1]] as const) {
    it(`counting ${attempt === 1 ? "anew" : "on"} after a connection without events of ${lasted} ms`, async () => {
      using clock = new VirtualClock();
      const { response, end } = held();
      const opened = Promise.withResolvers<void>();
      const watched = new Watched({
        backoff: { jitter: 0 },
        fetch: answers(stream(""), stream("id: 1\n\n"), () => response),
        onOpen: (opening) => opening === response && opened.resolve(),
      });
      clock.advance(await watched.wait);
      clock.advance(await watched.wait);
      await opened.promise;
      clock.advance(lasted);
      end();
      await watched.wait;
      assertEquals(watched.retries.map(([attempt]) => attempt), [1, 2, attempt]);
      await watched.connection.close();
    });
  }
});

describe("connect() backs off from a server that is down", () => {
  it("counting on, however long ago the last healthy connection was opened", async () => {
    using clock = new VirtualClock();
    const watched = new Watched({
      backoff: { initial: 3_000, factor: 1, jitter: 0 },
      fetch: answers(stream(""), () => Promise.reject(new TypeError("down"))),
    });
    for (let i = 0; i < 5; i++) clock.advance(await watched.wait);
    await watched.wait;
    assertEquals(watched.retries.map(([attempt]) => attempt), [1, 2, 3, 4, 5, 6]);
    await watched.connection.close();
  });

  it("up to maxElapsed since the first failure in a row", () => {
    using clock = new VirtualClock();
    const backoff = makeBackoff({ initial: 60, factor: 1, jitter: 0, maxElapsed: 120 });
    for (let row = 0; row < 2; row++) {
      assertEquals(backoff(1, undefined), 60);
      clock.advance(60);
      assertEquals(backoff(2, undefined), 60); // 120 in all
      clock.advance(1);
      assertEquals(backoff(3, undefined), undefined);
      clock.advance(10_000);
    }
  });
});

describe("connect() in a page", () => {
  const asks: ReadonlyArray<readonly [what: string, response: () => Response, ms: number]> = [
    ["nothing", stream("", { status: 503 }), 0],
    ["Retry-After", stream("", { status: 503, headers: { "retry-after": "60" } }), 60_000],
    ["retry in the stream", stream("retry: 60000\n"), 60_000],
  ];
  for (const [what, response, ms] of asks) {
    for (const type of ["online", "visibilitychange"]) {
      it(`comes back at ${type}, though not before the server lets it: ${what}`, async () => {
        using clock = new VirtualClock();
        using page = new FakePage();
        const watched = new Watched({ backoff: { initial: 1e9, max: 1e9, jitter: 0 }, fetch: answers(response) });
        assertEquals(await watched.wait, ms + 1e9);
        if (ms > 0) {
          clock.advance(10_000);
          page.dispatchEvent(new Event(type));
          clock.advance(49_999);
          await settle();
          assertEquals(watched.requests, 1);
          const { asked } = watched;
          clock.advance(1);
          await asked;
        } else {
          const { asked } = watched;
          page.dispatchEvent(new Event(type));
          await asked;
        }
        assertEquals(watched.requests, 2);
        await watched.connection.close();
      });
    }
  }

  it("that is hidden when a refusal comes waits as that asks, when it is shown", async () => {
    using clock = new VirtualClock();
    using page = new FakePage();
    page.visibilityState = "hidden";
    const refused = Promise.withResolvers<void>();
    const watched = new Watched({
      whenHidden: "pause",
      fetch: answers(() => {
        refused.resolve();
        return stream("", { status: 503, headers: { "retry-after": "60" } })();
      }),
    });
    await refused.promise;
    await settle();
    clock.advance(20_000);
    page.show("visible");
    clock.advance(39_999);
    await settle();
    assertEquals([watched.requests, watched.retries], [1, []]);
    const { asked } = watched;
    clock.advance(1);
    await asked;
    await watched.connection.close();
  });
});

describe("connect()'s waits", () => {
  it("are numbers, however many attempts have failed and whatever the factor is", () => {
    for (const factor of [1.5, Infinity]) {
      const backoff = makeBackoff({ initial: 0, factor });
      for (const attempt of [1, 2, 1_752, 1e6]) assertEquals(backoff(attempt, undefined), 0);
    }
    assertEquals(makeBackoff({ factor: Infinity, jitter: 0 })(2, undefined), 30_000);
  });
});

describe("connect() refuses", () => {
  it("options of unknown names, such as the former onClose", () => {
    for (const name of ["onClose", "maxRetries"]) {
      assertThrows(() => connect("http://localhost", { [name]: 1 } as ConnectOptions), TypeError, `got ${name}`);
    }
  });
});
