import { assertEquals } from "@std/assert";
import { describe, it, mock } from "node:test";
import { connect, type ConnectOptions } from "../../src/client/mod.ts";
import { answers, data, open, SOON, stream } from "../support/answers.ts";
import { FakePage } from "../support/fake_page.ts";
import { settle } from "../support/settle.ts";

/** A connection in a page that is open, and what it asks and tells. */
async function opened(text: string, options: ConnectOptions = {}) {
  const asked: (string | null)[] = [];
  const told: unknown[] = [];
  const connection = connect("http://localhost", {
    backoff: SOON,
    ...options,
    fetch: (_url, init) => {
      asked.push(new Headers(init.headers).get("last-event-id"));
      return Promise.resolve(open(text)());
    },
    onRetry: (error) => told.push(error),
  });
  void data(connection).catch(() => {});
  while (connection.readyState !== "open" || connection.lastEventId !== "1") await undefined;
  return { connection, asked, told };
}

describe("connect() in a page that is hidden", () => {
  it("lets go of its stream until the page is shown, if it is to pause", async () => {
    using page = new FakePage();
    // What the server asks for is for those who come back by themselves
    const { connection, asked, told } = await opened("retry: 60000\nid: 1\n\n", { whenHidden: "pause" });
    page.show("hidden");
    await settle();
    assertEquals([connection.readyState, asked.length], ["connecting", 1]);
    page.show("visible");
    while (connection.readyState !== "open") await undefined;
    assertEquals([asked, told], [[null, "1"], []]);
    await connection.close();
  });

  it("comes back at once when the page is shown in the same moment", async () => {
    using page = new FakePage();
    const { connection, asked, told } = await opened("id: 1\n\n", { whenHidden: "pause" });
    page.show("hidden");
    page.show("visible");
    while (asked.length < 2 && connection.readyState !== "closed") await new Promise((resolve) => setTimeout(resolve));
    assertEquals([asked, told], [[null, "1"], []]);
    await connection.close();
  });

  const kept: ReadonlyArray<readonly [what: string, options: ConnectOptions]> = [
    ["it is not to pause", {}],
    ["it is not to come back", { whenHidden: "pause", reconnect: false }],
    ["its body is a stream, which cannot be sent again", {
      whenHidden: "pause",
      method: "POST",
      body: new Blob(["x"]).stream(),
    }],
  ];
  for (const [what, options] of kept) {
    it(`keeps its stream if ${what}`, async () => {
      using page = new FakePage();
      const { connection, asked } = await opened("id: 1\n\n", options);
      page.show("hidden");
      await settle();
      assertEquals([connection.readyState, asked.length], ["open", 1]);
      await connection.close();
    });
  }

  it("tries again while it is hidden, if it is not to pause", async () => {
    using page = new FakePage();
    page.visibilityState = "hidden";
    const connection = connect("http://localhost", {
      fetch: answers(stream("data: a\n\n"), open("data: b\n\n")),
      backoff: SOON,
    });
    assertEquals(await data(connection, 2), ["a", "b"]);
  });

  it("does not hurry because the page is hidden", async () => {
    using page = new FakePage();
    const waiting = Promise.withResolvers<void>();
    let asked = 0;
    const connection = connect("http://localhost", {
      fetch: () => (asked++, Promise.reject(new TypeError("down"))),
      backoff: { initial: 1e9, max: 1e9, jitter: 0 },
      onRetry: () => waiting.resolve(),
    });
    void data(connection);
    await waiting.promise;
    await settle();
    page.show("hidden");
    await settle();
    assertEquals(asked, 1);
    await connection.close();
  });
});

describe("connect() where there is no page", () => {
  it("takes the options of one, and comes back", async () => {
    using _ = mockedAway("addEventListener");
    const connection = connect("http://localhost", {
      whenHidden: "pause",
      fetch: answers(stream("data: a\n\n"), open("data: b\n\n")),
      backoff: SOON,
    });
    assertEquals(await data(connection, 2), ["a", "b"]);
  });
});

describe("connect() that is closed", () => {
  it("listens to the page no longer", async () => {
    using _page = new FakePage();
    const listen = mock.method(globalThis, "addEventListener");
    const { connection } = await opened("id: 1\n\n");
    const signals = listen.mock.calls.map(({ arguments: [, , options] }) =>
      (options as AddEventListenerOptions).signal
    );
    assertEquals(signals.map((signal) => signal?.aborted), [false, false]);
    await connection.close();
    assertEquals(signals.map((signal) => signal?.aborted), [true, true]);
    listen.mock.restore();
  });
});

function mockedAway(name: string): Disposable {
  const original = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { configurable: true, value: undefined });
  return {
    [Symbol.dispose]() {
      if (original === undefined) Reflect.deleteProperty(globalThis, name);
      else Object.defineProperty(globalThis, name, original);
    },
  };
}
