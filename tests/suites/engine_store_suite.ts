import { assertEquals, assertLess } from "@std/assert";
import { after, before, describe, it, mock } from "node:test";
import { Broker, SseError, type StoredEvent } from "../../mod.ts";
import type { OpenStore, StoreLimits } from "../../src/cli/store.ts";
import { type Engine, type EngineSpec, missing, startEngine } from "../support/engines.ts";
import { FaultyProxy } from "../support/faulty_proxy.ts";
import { openTestStore } from "../support/open_store.ts";
import { random, SEED } from "../support/seed.ts";
import { reading, Worker } from "../support/store_processes.ts";
import { FAULT_RUNS, playFaults } from "./faults.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function allOf(store: OpenStore["store"], topics?: readonly string[]): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (let at = 0;;) {
    const { events: more, position } = await store.read(at, { topics, limit: 1_000 });
    events.push(...more);
    if (position === at) return events;
    at = position;
  }
}

/**
 * What a store on an engine promises beyond `ReplayStore`: many processes, an engine that fails, and one that loses.
 *
 * @param wipe Removes a log.
 * @param schemes Of the URLs by which its clients are taken in turn, if there are several.
 */
export function engineStoreSuite(
  name: string,
  spec: EngineSpec,
  wipe: (url: string, log: string) => Promise<void>,
  schemes: readonly string[] = [],
): void {
  describe(`${name} on ${spec.name}: many processes and faults`, { skip: missing(spec) }, () => {
    let engine: Engine;
    let logs = 0;
    const opened: { close(): Promise<void> }[] = [];
    let urls = 0;
    /** By one client after the other, where there are several. */
    const url = (): string =>
      schemes.length === 0 ? engine.url : engine.url.replace(/^\w+/, schemes[urls++ % schemes.length]!);
    const newLog = (): string => `log-${++logs}`;
    const open = async (log: string, limits: StoreLimits = {}): Promise<OpenStore["store"]> => {
      const one = await openTestStore(url(), { name: log, ...limits });
      opened.push(one);
      return one.store;
    };
    const broker = async (log: string, limits: StoreLimits = {}): Promise<Broker> => {
      const one = new Broker({ store: await open(log, limits), heartbeat: 100 });
      opened.unshift(one);
      return one;
    };
    const test = (says: string, run: () => Promise<void>): void => {
      it(says, { timeout: 120_000 * FAULT_RUNS }, async () => {
        try {
          await run();
        } finally {
          for (const one of opened.splice(0)) await one.close();
        }
      });
    };

    before(async () => {
      engine = await startEngine(spec);
    });
    after(async () => {
      await Worker.killAll();
      await engine.stop();
    });

    test("a client whose first connection stays silent makes another", async () => {
      let connections = 0;
      await using proxy = await FaultyProxy.start(engine.port, () => connections++ === 0 ? ["stall", 0] : undefined);
      const there = engine.url.replace(`:${engine.port}`, `:${new URL(proxy.url).port}`);
      const { store, close } = await openTestStore(there, { name: newLog() });
      opened.push({ close });
      assertEquals(await store.append([{ topics: ["a"], data: "1", id: "own" }]), [{ id: "own" }]);
      assertLess(1, connections);
    });

    test("logs are separated by their names", async () => {
      const [a, b] = [await open("a"), await open("b")];
      await a.append([{ topics: ["x"], data: "a" }]);
      const [result] = await b.append([{ topics: ["x"], data: "b", id: "own" }]);
      assertEquals((await allOf(a)).map(({ data }) => data), ["a"]);
      assertEquals((await allOf(b)).map(({ data }) => data), ["b"]);
      assertEquals([await a.locate("own", ["x"]), await a.locate(b.idAt((await allOf(b))[0]!.position), ["x"])], [
        undefined,
        undefined,
      ]);
      assertEquals(result!.id, "own");
    });

    test("large, empty and strange data come back as they were", async () => {
      const store = await open(newLog());
      const strange = [
        "",
        "x".repeat(1 << 20),
        "\0\x01\x7f\x80\xff\u2028\u{1f600}\u{10ffff}\u{e0001}",
        Array.from({ length: 17 }, (_, plane) => String.fromCodePoint(plane * 0x10000 + 0x61)).join(""),
        '{"a":"\\u0000"}',
        "\\x00'; DROP TABLE events; --\r\nPING\r\n+OK\r\n$-1\r\n",
        "\ud800",
      ];
      await store.append(strange.map((data) => ({ topics: ["a", "b/c d/é*".replace("*", "")], data })));
      assertEquals((await allOf(store)).map(({ data }) => data), strange);
      assertEquals((await allOf(store, ["b/*/é"])).length, strange.length);
    });

    test("retains by bytes and by age: what is too old is given to nobody, and readers are told", async () => {
      const small = await open(newLog(), { maxBytes: 20_000 });
      for (let i = 0; i < 200; i++) await small.append([{ topics: ["a"], data: String(i).padEnd(400, "x") }]);
      const kept = await allOf(small);
      assertEquals(kept.at(-1)!.data.slice(0, 4), "199x");
      assertLess(kept.length, 50);
      assertEquals(kept.length > 20, true);
      assertEquals(await small.removed(["a"]), kept[0]!.position - 1);
      const aged = await open(newLog(), { maxAge: 1_000 });
      const [{ id }] = await aged.append([{ topics: ["a"], data: "old", id: "own" }, {
        topics: ["a"],
        data: "old",
      }]) as [{ id: string }];
      assertEquals((await allOf(aged)).length, 2);
      await pause(1_600);
      await aged.append([{ topics: ["a"], data: "new" }]);
      assertEquals((await allOf(aged)).map(({ data }) => data), ["new"]);
      const { events, removed } = await aged.read(0, { limit: 9 });
      assertEquals([removed, await aged.removed(["a"])], [events[0]!.position - 1, events[0]!.position - 1]);
      assertEquals(await aged.locate(id, ["a"]), undefined);
      assertEquals((await aged.append([{ topics: ["a"], data: "again", id: "own" }]))[0]!.id, "own");
      assertEquals((await allOf(aged)).map(({ data }) => data), ["new", "again"]);
    });

    for (const skew of [70_000, -70_000]) {
      test(`age is judged by the engine's clock, and not by that of a node that is ${Math.abs(skew)} ms ${skew > 0 ? "ahead" : "behind"}`, async () => {
        const [log, transit] = [newLog(), newLog()];
        const early = await open(log, { maxAge: 60_000 });
        const [{ id }] = await early.append([{ topics: ["a"], data: "1" }]) as [{ id: string }];
        mock.timers.enable({ apis: ["Date"], now: Date.now() + skew });
        try {
          const store = await open(log, { maxAge: 60_000 });
          await store.append([{ topics: ["a"], data: "2", id: "own" }]);
          assertEquals((await allOf(store)).map(({ data }) => data), ["1", "2"]);
          assertEquals([(await store.read(0, { limit: 9 })).removed, await store.removed(["a"])], [0, 0]);
          assertEquals(typeof await store.locate("own", ["a"]), "number");
          const here = new Broker({ store });
          opened.unshift(here);
          const late = reading(here.subscribe("a", { lastEventId: id }));
          await late.until(1);
          assertEquals(late.seen.map(({ data }) => data), ["2"]);
          const none = await open(transit, { retention: "none" });
          await none.append([{ topics: ["a"], data: "1" }]);
          assertEquals((await allOf(none)).map(({ data }) => data), ["1"]);
        } finally {
          mock.timers.reset();
        }
      });
    }

    test("large events are read in pages, and none is left out", async () => {
      const store = await open(newLog());
      for (let i = 0; i < 60; i++) {
        await store.append([{ topics: ["large"], data: `${i} `.padEnd(200_000, "x") }, {
          topics: ["other"],
          data: "",
        }]);
      }
      for (const topics of [undefined, ["large"], ["large/**", "x"]]) {
        const events = (await allOf(store, topics)).filter(({ data }) => data !== "");
        assertEquals(events.map(({ data }) => parseInt(data)), Array.from({ length: 60 }, (_, i) => i));
      }
    });

    test("hundreds of topics and patterns: each reads what it reaches", async () => {
      const store = await open(newLog());
      const topics = Array.from({ length: 300 }, (_, i) => `r${i % 5}/s${i % 11}/${i}`);
      for (let i = 0; i < 3; i++) {
        await store.append(
          topics.map((topic, k) => ({ topics: k % 9 === 0 ? [topic, `also/${k}`] : [topic], data: topic })),
        );
      }
      for (
        const [pattern, count] of [["r1/**", 180], ["r1/s3/*", 15], ["*/s3/*", 81], ["also/**", 102], ["r2/s2/2", 3], [
          "**",
          900,
        ]] as const
      ) {
        assertEquals((await allOf(store, [pattern])).length, count, pattern);
      }
      assertEquals((await allOf(store, topics.slice(0, 100))).length, 300);
    });

    test("publishers in several processes: one order everywhere, each event once", async () => {
      const log = newLog();
      const here = await broker(log);
      const mine = reading(here.subscribe("**", { start: "all" }));
      const workers = ["x", "y"].map((who) => new Worker(url(), log, "publish", who, "0", "150"));
      const watcher = new Worker(url(), log, "subscribe");
      for (let i = 0; i < 150; i++) await here.publish("t/z", { data: `z-${i}` });
      await Promise.all(workers.map(({ ended }) => ended));
      await mine.until(450);
      await watcher.until((lines) => lines.length >= 450);
      await watcher.kill();
      const order = mine.seen.map(({ id, data }) => [id, data]);
      assertEquals(watcher.lines.map((line) => JSON.parse(line)).map(({ id, data }) => [id, data]), order);
      assertEquals((await allOf(await open(log))).map(({ id, data }) => [id, data]), order);
      for (const who of ["x", "y", "z"]) {
        const own = order.map(([, data]) => data!).filter((data) => data.startsWith(who));
        assertEquals(own, Array.from({ length: 150 }, (_, i) => `${who}-${i}`));
      }
    });

    test("replay is joined to live while publishers never pause", async () => {
      const here = await broker(newLog());
      let publishing = true;
      const publisher = (async () => {
        let i = 0;
        for (; publishing; i += 4) {
          await Promise.all([0, 1, 2, 3].map((k) => here.publish("t", { data: String(i + k) })));
        }
        return i;
      })();
      const readers = [];
      for (let i = 0; i < 30; i++) {
        readers.push(reading(here.subscribe("t", { start: i % 2 === 0 ? "all" : { last: 20 } })));
        await readers[i]!.until(10);
      }
      publishing = false;
      const count = await publisher;
      for (const { seen, until } of readers) {
        while (seen.at(-1)?.data !== String(count - 1)) await until(seen.length + 1);
        const numbers = seen.map(({ data }) => Number(data));
        const broken = numbers.findIndex((number, i) => number !== numbers[0]! + i);
        assertEquals(broken, -1, `${numbers.slice(Math.max(0, broken - 3), broken + 4)} of ${count}`);
      }
      assertEquals(readers[0]!.seen.length, count);
    });

    test("with retention none, events go between processes and are not kept for long", async () => {
      const log = newLog();
      const [here, there] = [await broker(log, { retention: "none" }), await broker(log, { retention: "none" })];
      const seen = reading(there.subscribe("t"));
      await there.publish("other", { data: "the tail runs" });
      for (let i = 0; i < 50; i++) await here.publish("t", { data: String(i) });
      await seen.until(50);
      assertEquals(seen.seen.map(({ data }) => data), Array.from({ length: 50 }, (_, i) => String(i)));
    });

    test("nodes know of each other, and forget one that says nothing any more", async () => {
      const log = newLog();
      const [a, b] = [await open(log), await open(log)];
      assertEquals(Object.fromEntries(await a.announce!("a", "one", 2_000)), { a: "one" });
      await b.announce!("b", "two", 2_000);
      assertEquals(Object.fromEntries(await b.announce!("b", "three", 2_000)), { a: "one", b: "three" });
      await a.announce!("a", undefined, 2_000);
      assertEquals(Object.fromEntries(await b.announce!("b", "four", 2_000)), { b: "four" });
      await a.announce!("a", "again", 2_000);
      while ((await b.announce!("b", "five", 2_000)).has("a")) await pause(100); // else this test never ends
    });

    test("a silent engine: publishes end in time, streams stay open, and afterwards nothing is lost or doubled", async () => {
      const log = newLog();
      const here = await broker(log, { timeout: 500 });
      const seen = reading(here.subscribe("t"));
      await here.publish("t", { id: "1", data: "1" });
      await engine.pause();
      try {
        // It ends while the engine is silent: the engine goes on only below
        const error = await here.publish("t", { id: "2", data: "2" }).then(() => undefined, (error) => error);
        assertEquals(error instanceof SseError && error.code, "publish-uncertain");
      } finally {
        engine.resume();
      }
      for (;;) {
        if (await here.publish("t", { id: "2", data: "2" }).then(() => true, () => false)) break;
      }
      await here.publish("t", { id: "3", data: "3" });
      await seen.until(3);
      assertEquals(seen.seen.map(({ type, data }) => [type, data]), [["message", "1"], ["message", "2"], [
        "message",
        "3",
      ]]);
    });

    test("an engine that was killed: publishes wait for it, and every subscriber goes on", async () => {
      const log = newLog();
      const here = await broker(log, { timeout: 20_000 });
      const there = await broker(log);
      const [mine, theirs] = [reading(here.subscribe("t")), reading(there.subscribe("t"))];
      await there.publish("other", { data: "the tail runs" });
      await here.publish("t", { data: "before" });
      await engine.kill();
      const waiting = here.publish("t", { data: "meanwhile" });
      await pause(200);
      await engine.restart();
      await waiting;
      await here.publish("t", { data: "after" });
      await Promise.all([mine.until(3), theirs.until(3)]);
      for (const { seen } of [mine, theirs]) {
        assertEquals(seen.map(({ type, data }) => [type, data]), [["message", "before"], ["message", "meanwhile"], [
          "message",
          "after",
        ]]);
      }
      const late = reading(here.subscribe("t", { lastEventId: mine.seen[0]!.id }));
      await late.until(2);
      assertEquals(late.seen.map(({ data }) => data), ["meanwhile", "after"]);
    });

    test("an engine that lost everything: subscribers are told, and old IDs are unknown", async () => {
      const log = newLog();
      const here = await broker(log);
      const seen = reading(here.subscribe("t"));
      for (let i = 0; i < 20; i++) await here.publish("t", { data: String(i) });
      await seen.until(20);
      const { id } = seen.seen[4]!;
      await wipe(engine.url, log);
      for (;;) { // a first one may fail, as a store finds its tables gone
        if (await here.publish("t", { data: "new" }).then(() => true, () => false)) break;
      }
      for (let i = 21; !seen.seen.some(({ type, data }) => type === "message" && data === "new"); i++) {
        await seen.until(i);
      }
      const types = seen.seen.slice(20).map(({ type }) => type);
      assertEquals([types[0], types.at(-1)], ["gap", "message"]);
      const late = reading(here.subscribe("t", { lastEventId: id }));
      await late.until(2);
      assertEquals(late.seen.map(({ type, data }) => type === "gap" ? JSON.parse(data).reason : data), [
        "unknown",
        "new",
      ]);
    });

    test("an engine that came back without what it acknowledged last: all are told, and no ID stands for another event", async () => {
      const log = newLog();
      const [here, there] = [await broker(log, { timeout: 20_000 }), await broker(log, { timeout: 20_000 })];
      const [mine, theirs] = [reading(here.subscribe("t")), reading(there.subscribe("t"))];
      await there.publish("other", { data: "the tail runs" });
      for (let i = 0; i < 10; i++) await here.publish("t", { data: `kept ${i}` });
      await engine.save();
      for (let i = 0; i < 10; i++) await here.publish("t", { data: `lost ${i}` });
      await Promise.all([mine.until(20), theirs.until(20)]);
      await engine.lose();
      await there.publish("t", { data: "new" });
      const isTold = ({ seen }: typeof mine): boolean =>
        seen.some(({ data }) => data === "new") && seen.some(({ type }) => type === "gap");
      for (const reader of [mine, theirs]) {
        while (!isTold(reader)) await reader.until(reader.seen.length + 1);
        assertEquals(reader.seen.filter(({ data }) => data === "new").length, 1);
      }
      const [kept, lost] = [mine.seen[4]!.id, mine.seen[15]!.id];
      for (const [lastEventId, reason] of [[kept, "expired"], [lost, "unknown"]] as const) {
        const late = reading(here.subscribe("t", { lastEventId }));
        while (!isTold(late)) await late.until(late.seen.length + 1);
        assertEquals(late.seen.filter(({ type }) => type === "gap").map(({ data }) => JSON.parse(data).reason), [
          reason,
        ]);
        assertEquals(late.seen.filter(({ data }) => data.startsWith("lost")), []);
      }
    });

    test(`kills and pauses at random: what was acknowledged arrives once, in one order (seed ${SEED})`, async () => {
      for (let run = 0; run < FAULT_RUNS; run++) {
        const log = newLog();
        await playFaults(name, url, log, await broker(log, { timeout: 2_000 }), engine, random(SEED + run));
      }
    });
  });
}
