import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import {
  Broker,
  createHandler,
  type EventFields,
  EventParser,
  eventStream,
  type EventStreamSource,
} from "../../mod.ts";
import { random, SEED } from "../support/seed.ts";
import { until } from "../support/until.ts";

const RUNS = 60;

/** Lets a microtask, a turn or a millisecond pass, or nothing. */
async function some(dice: () => number): Promise<void> {
  const what = Math.floor(dice() * 4);
  if (what === 1) await Promise.resolve();
  if (what === 2) await new Promise((resolve) => setTimeout(resolve, 0));
  if (what === 3) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Reads the numbers of a body until it has so many, or to its end. */
async function read(body: ReadableStream<Uint8Array>, enough: number, dice: () => number): Promise<{
  readonly numbers: number[];
  readonly how: "ended" | "left" | "failed";
}> {
  const numbers: number[] = [];
  const parser = new EventParser({
    onEvent: ({ data, type }) => void (type === "message" && numbers.push(Number(data))),
  });
  const reader = body.getReader();
  try {
    while (numbers.length < enough) {
      const { done, value } = await reader.read();
      if (done) return { numbers, how: "ended" };
      parser.push(value);
      await some(dice);
    }
    void reader.cancel().catch(() => {}); // half of a clone waits for the other
    return { numbers, how: "left" };
  } catch {
    return { numbers, how: "failed" };
  }
}

const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

describe("eventStream(), at random,", () => {
  it("gives each client the events from the first on, and stops each source once", { timeout: 60_000 }, async () => {
    for (let run = 0; run < RUNS; run++) {
      const dice = random(SEED + run);
      const count = Math.floor(dice() * 30);
      const enough = 1 + Math.floor(dice() * 40);
      const fails = dice() < 0.3;
      const kind = Math.floor(dice() * 4);
      let begun = 0;
      let stopped = 0;

      const numbers = async function* (): AsyncGenerator<EventFields> {
        begun++;
        try {
          for (let i = 0; i < count; i++) {
            await some(dice);
            yield { data: String(i) };
          }
          if (fails) throw new Error("planned");
        } finally {
          stopped++;
        }
      };
      const source: EventStreamSource = [
        numbers(),
        numbers,
        () => numbers(),
        async ({ send }: { send(event: EventFields): Promise<void> }) => {
          for await (const event of numbers()) await send(event);
        },
      ][kind]!;
      const response = eventStream(source, { heartbeat: dice() < 0.5 ? 1 : 0 });
      const { numbers: got, how } = await read(response.body!, enough, dice);

      const what = `seed ${SEED + run}, kind ${kind}, ${count} events, ${enough} wanted, fails ${fails}: ${how}`;
      assertEquals(got, upTo(Math.min(got.length, count)), what);
      if (how === "left") assertEquals(got.length >= enough, true, what);
      else assertEquals([how, got.length], [fails ? "failed" : "ended", count], what);
      await until(() => stopped === begun);
      assertEquals(begun, 1, what);
    }
  });
});

describe("createHandler(), at random,", () => {
  it("loses nothing, and gets every place back", { timeout: 60_000 }, async () => {
    for (let run = 0; run < RUNS / 10; run++) {
      const dice = random(SEED + run);
      const broker = new Broker({ heartbeat: 2 });
      const maxStreams = 1 + Math.floor(dice() * 8);
      const handler = createHandler(broker, {
        topics: "a",
        maxStreams,
        whenFull: "503",
        openTimeout: 5,
        closeEvent: false,
      });
      let published = 0;
      let isOver = false;
      const publishing = (async () => {
        while (!isOver) {
          await broker.publish("a", { data: published++ });
          await some(dice);
        }
      })();

      const client = async (): Promise<void> => {
        const leaving = new AbortController();
        const request = new Request("http://localhost/", { signal: leaving.signal });
        const from = published;
        const response = await handler(request);
        if (response.status === 503) return;
        const enough = Math.floor(dice() * 20);
        await some(dice);
        switch (Math.floor(dice() * 6)) {
          case 0:
            return; // never reads it
          case 1:
            return leaving.abort();
          case 2:
            return await response.body!.cancel();
          case 3:
            response.clone();
            await read(response.body!, enough, dice).finally(() => leaving.abort());
            return;
          case 4:
            setTimeout(() => leaving.abort(), Math.floor(dice() * 5));
        }
        const { numbers, how } = await read(response.body!, enough, dice);
        const first = numbers[0] ?? from;
        const what = `seed ${SEED + run}: ${how} with ${numbers}`;
        assert(first >= from - 1, what); // what was under way when it subscribed may come
        assertEquals(numbers, upTo(numbers.length, first), what);
      };
      await Promise.all(Array.from({ length: 20 }, async () => {
        await some(dice);
        await client();
      }));
      await until(() => broker.stats().subscribers === 0);
      isOver = true;
      await publishing;
      // A place is free once its stream has been read or a second has passed
      await until(async () => {
        const again = await Promise.all(upTo(maxStreams + 1).map(() => handler(new Request("http://localhost/"))));
        await Promise.all(again.map(({ body }) => body?.cancel()));
        const opened = again.filter(({ status }) => status === 200).length;
        assert(opened <= maxStreams, `seed ${SEED + run}`);
        return opened === maxStreams;
      });
      await broker.close();
    }
  });
});
