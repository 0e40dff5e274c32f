import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import type { LogEngine, LogPage, WantedPage } from "../../../src/stores/log/engine.ts";
import type { LogEntry } from "../../../src/stores/log/event_body.ts";
import { LogPages } from "../../../src/stores/log/pages.ts";

const entryAt = (position: number, body = "\nx"): LogEntry => ({
  position,
  time: 0,
  topics: '["a"]',
  body,
  tellsLoss: false,
});
const topics = ["a"];

/** A log of entries from 1 on, that notes what it is asked for. */
function engineOf(newest: number, body?: string): { engine: LogEngine; asked: [after: number, limit: number][] } {
  const asked: [number, number][] = [];
  const page = (after: number, { limit }: WantedPage): Promise<LogPage> => {
    asked.push([after, limit]);
    const last = Math.min(after + limit, newest);
    const entries = Array.from({ length: Math.max(0, last - after) }, (_, i) => entryAt(after + i + 1, body));
    return Promise.resolve({ entries, examined: Math.max(after, last), ends: last === newest });
  };
  return { engine: { page } as unknown as LogEngine, asked };
}

const positions = ({ entries }: LogPage): number[] => entries.map(({ position }) => position);

describe("LogPages", () => {
  it("asks for the next page while one is read, and for more entries while they are small", async () => {
    const { engine, asked } = engineOf(5_000);
    const pages = new LogPages(engine);
    const first = await pages.next(0, topics, 256);
    assertEquals([first.examined, asked], [256, [[0, 256], [256, 512]]]);
    const second = await pages.next(256, topics, 256);
    assertEquals([second.examined, asked.slice(2)], [768, [[768, 1_024]]]);
    assertEquals((await pages.next(768, topics, 256)).examined, 1_792);
  });

  it("asks for fewer while they are large, and for none in advance then", async () => {
    const { engine, asked } = engineOf(5_000, "x".repeat(1 << 16));
    const pages = new LogPages(engine);
    await pages.next(0, topics, 256);
    await pages.next(256, topics, 256);
    assertEquals(asked, [[0, 256], [256, 16], [272, 16]]);
  });

  it("gives what was left of a page, without asking", async () => {
    const { engine, asked } = engineOf(300);
    const pages = new LogPages(engine);
    const page = await pages.next(0, topics, 10);
    pages.keep(10, topics, { ...page, entries: page.entries.slice(10) });
    const asking = asked.length;
    assertEquals(positions(await pages.next(10, topics, 10))[0], 11);
    assertEquals(asked.length, asking);
  });

  it("asks anew for another place, for other topics, and after it was told to forget", async () => {
    const { engine, asked } = engineOf(10);
    const pages = new LogPages(engine);
    for (const [after, wanted, forget] of [[5, topics, false], [4, ["b"], false], [4, topics, true]] as const) {
      const page = await pages.next(0, topics, 10);
      pages.keep(4, topics, { ...page, entries: page.entries.slice(4) });
      if (forget) pages.clear();
      asked.length = 0;
      assertEquals(positions(await pages.next(after, wanted, 10))[0], after + 1);
      assertEquals(asked[0]![0], after);
    }
  });

  it("does not take where the log ended when it asked in advance for where it ends now", async () => {
    const { engine, asked } = engineOf(300);
    const pages = new LogPages(engine);
    assertEquals((await pages.next(0, topics, 256)).ends, false);
    const second = await pages.next(256, topics, 256);
    assertEquals([positions(second).length, second.ends], [44, false]);
    asked.length = 0;
    assertEquals((await pages.next(300, topics, 256)).ends, true);
    assertEquals(asked.length, 1);
  });

  it("does not take where the log ended when a page was begun for where it ends now", async () => {
    const { engine, asked } = engineOf(200);
    const pages = new LogPages(engine);
    const page = await pages.next(0, topics, 10);
    assertEquals(page.ends, true);
    pages.keep(10, topics, { ...page, entries: page.entries.slice(10) });
    const rest = await pages.next(10, topics, 300);
    assertEquals([positions(rest).length, rest.ends], [190, false]);
    asked.length = 0;
    assertEquals((await pages.next(200, topics, 10)).ends, true);
    assertEquals(asked.length, 1);
  });

  it("fails with the page that failed, and asks again afterwards", async () => {
    let fails = false;
    const { engine } = engineOf(5_000);
    const { page } = engine;
    const pages = new LogPages({
      page: (after: number, wanted: WantedPage) => fails ? Promise.reject(new Error("away")) : page(after, wanted),
    } as unknown as LogEngine);
    fails = true;
    assertEquals(await pages.next(0, topics, 256).catch((error) => error.message), "away");
    fails = false;
    const first = await pages.next(0, topics, 256);
    fails = true;
    const second = await pages.next(first.examined, topics, 256); // asked for before; the one after it fails
    assertEquals(await pages.next(second.examined, topics, 256).catch((error) => error.message), "away");
    fails = false;
    assertEquals(positions(await pages.next(second.examined, topics, 256))[0], second.examined + 1);
  });
});
