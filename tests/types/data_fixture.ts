// What `data` takes and refuses, for the compiler alone: `deno check`. Nothing here runs.
import {
  Broker,
  createHandler,
  encodeEvent,
  type EventFields,
  eventStream,
  type Json,
  type JsonEventFields,
  type Publication,
} from "../../mod.ts";

interface Bark {
  readonly loud: boolean;
  readonly times?: number;
  readonly by: { name: string; born: Date };
}

class Money {
  readonly #cents: bigint;
  constructor(cents: bigint) {
    this.#cents = cents;
  }
  toJSON(): string {
    return `${this.#cents}`;
  }
}

class Plain {
  name = "plain";
  greet(): string {
    return this.name;
  }
}

declare const bark: Bark;
declare const list: readonly Bark[];
declare const pair: readonly [string, Bark];
declare const record: Record<string, unknown>;
declare const parsed: unknown;
declare const maybe: string | undefined;
declare const fields: EventFields;

const broker = new Broker();

export const taken: readonly Json[] = [
  "text",
  1,
  true,
  null,
  bark,
  list,
  pair,
  record,
  new Date(),
  new Money(1n),
  new Plain(),
  { call: 1, then: "a", name: "b", length: 2, apply: null, arguments: [] },
  [undefined],
  [[[]]],
  {},
];

// `publish` takes them all, and `eventStream`, `send`, snapshots and what is made of an error the same
for (const data of taken) void broker.publish("a", { data });
void broker.publish("a", { data: bark });
void broker.publish("a", { data: { written: "in place", deep: { and: [1, { b: undefined }] }, bark } });
void broker.publish("a", { data: [{ written: "in place" }, [bark]] });
void broker.publish("a", { data: list, event: "barks", id: 7, retry: 10, comment: "c" });
eventStream(async function* () {
  yield { data: bark };
  yield { data: list, event: "list" };
  yield { data: { written: "in place", bark } };
  yield { comment: "no data" };
});
eventStream(async function* (): AsyncGenerator<EventFields> {
  yield { data: "text" };
});
eventStream(async ({ send }) => {
  await send({ data: bark });
  await send({ data: { written: "in place" } });
  await send(fields);
}, { onError: (error) => ({ event: "error", data: { error: String(error), at: new Date() } }) });
createHandler(broker, { topics: "a", snapshot: () => [{ data: bark }] });
broker.subscribe("a", {
  snapshot: async function* () {
    yield { data: new Money(2n) };
  },
});
export const publication: Publication = { data: bark };
export const event: JsonEventFields = fields;

// And none of these
// @ts-expect-error: a function
void broker.publish("a", { data: () => 1 });
// @ts-expect-error: a class
void broker.publish("a", { data: Plain });
// @ts-expect-error: a symbol
void broker.publish("a", { data: Symbol("a") });
// @ts-expect-error: a bigint
void broker.publish("a", { data: 1n });
// @ts-expect-error: undefined
void broker.publish("a", { data: undefined });
// @ts-expect-error: what may be undefined
void broker.publish("a", { data: maybe });
// @ts-expect-error: what may be anything
void broker.publish("a", { data: parsed });
// @ts-expect-error: no data at all
void broker.publish("a", { event: "bark" });
// @ts-expect-error: a word that is no field
void broker.publish("a", { data: "a", type: "bark" });
// @ts-expect-error: a function
void eventStream(({ send }) => send({ data: () => 1 }));
// @ts-expect-error: a bigint
eventStream((async function* () {
  yield { data: 1n };
})());
// @ts-expect-error: the format itself knows text alone
encodeEvent({ data: bark });
