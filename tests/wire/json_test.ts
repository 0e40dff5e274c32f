import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, eventStream, type Json, parseEvents } from "../../mod.ts";
import { textOf } from "../../src/wire/json.ts";

class Money {
  readonly cents: bigint;
  constructor(cents: bigint) {
    this.cents = cents;
  }
  toJSON(): string {
    return `${this.cents} cents`;
  }
}

const written: ReadonlyArray<[says: string, data: Json, text: string]> = [
  ["text as it is", "a\nb", "a\nb"],
  ["empty text", "", ""],
  ["a number", 1, "1"],
  ["null", null, "null"],
  ["false", false, "false"],
  ["a date", new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ["a class with toJSON", new Money(5n), '"5 cents"'],
  ["an object without what JSON has no word for", { a: undefined, b: () => 1, c: [undefined] }, '{"c":[null]}'],
  ["an array", Object.freeze([1, { a: "b" }]), '[1,{"a":"b"}]'],
];

const refused: ReadonlyArray<[says: string, data: unknown, got: string]> = [
  ["a function", () => 1, "got function"],
  ["a class", Money, "got function"],
  ["a symbol", Symbol("a"), "got symbol"],
  ["a bigint", 1n, "BigInt"],
  ["a bigint inside", { a: 1n }, "BigInt"],
  ["a promise", Promise.resolve(1), "got a promise: await it"],
  ["a toJSON that gives none", { toJSON: () => undefined }, "got toJSON() that gives none"],
  ["a toJSON that throws", {
    toJSON() {
      throw new Error("a coin is missing");
    },
  }, "got a coin is missing"],
  ["a cycle", ((o: { o?: unknown }) => (o.o = o))({}), "must be a JSON value: got "],
];

describe("data", () => {
  for (const [says, data, text] of written) {
    it(`may be ${says}`, async () => {
      await using broker = new Broker();
      const subscriber = broker.subscribe("a");
      const next = subscriber[Symbol.asyncIterator]().next();
      await broker.publish("a", { data });
      assertEquals((await next).value?.data, text);

      const response = eventStream(async function* () {
        yield { data };
      });
      const events = await Array.fromAsync(parseEvents(response));
      assertEquals(events.map((event) => event.data), [text]);
    });
  }

  for (const [says, data, got] of refused) {
    it(`is refused if it is ${says}: by publish(), send(), and what eventStream() streams`, async () => {
      await using broker = new Broker();
      const told = await assertRejects(() => broker.publish("a", { data: data as Json }), TypeError, got);
      assertStringIncludes(told.message, "Cannot publish as data must be a JSON value");

      let rejection: unknown;
      const sent = eventStream(async ({ send }) => {
        await send({ data: data as Json }).catch((error) => rejection = error);
        await send({ data: "goes on" });
      });
      assertStringIncludes(await sent.text(), "data: goes on");
      assertStringIncludes((rejection as TypeError).message, got);

      const yielded = eventStream(
        async function* () {
          yield { data: data as Json };
        },
        { onError: (error) => ({ event: "failed", data: { why: (error as Error).message } }) },
      );
      const text = await yielded.text();
      assertStringIncludes(text, "event: failed");
      assertStringIncludes(text, got);
    });
  }

  it("is what it was when it was sent, whatever becomes of the object", async () => {
    const state = { n: 1 };
    const response = eventStream(async ({ send }) => {
      const sending = send({ data: state });
      state.n = 2;
      await sending;
    });
    assertStringIncludes(await response.text(), 'data: {"n":1}');
  });

  it("may be any JSON in a snapshot", async () => {
    await using broker = new Broker();
    const subscriber = broker.subscribe("a", { snapshot: () => [{ data: { n: 1 } }, { event: "date", data: [null] }] });
    const events = subscriber[Symbol.asyncIterator]();
    assertEquals([(await events.next()).value?.data, (await events.next()).value?.data], ['{"n":1}', "[null]"]);
  });

  it("that throws keeps what was thrown as the cause", () => {
    const cause = new Error("broken");
    const data = {
      toJSON() {
        throw cause;
      },
    };
    assertEquals(assertThrows(() => textOf(data, "publish"), TypeError).cause, cause);
  });
});
