import { assert, assertEquals, assertGreater } from "@std/assert";
import process from "node:process";
import { describe, it } from "node:test";
import { Broker, createHandler } from "../../mod.ts";
import { connect } from "../../src/client/mod.ts";
import { type Fault, FAULTS, FaultyProxy } from "../support/faulty_proxy.ts";
import { serve } from "../support/runtime.ts";
import { random, SEED } from "../support/seed.ts";

/** How many clients there are in all; each loses its connection about four times. */
const RUNS = Number(process.env["FRESHET_CLIENT_CHAOS_RUNS"] ?? 700);
/** How many of them at a time. */
const AT_ONCE = 25;
const EVENTS = 20;

describe("connect() over a network that fails at random", () => {
  it(`gives ${RUNS} clients every event once, in order (seed ${SEED})`, { timeout: 600_000 }, async () => {
    const next = random(SEED);
    const broker = new Broker({ heartbeat: 100 });
    const handler = createHandler(broker, {
      topics: (request) => new URL(request.url).pathname.slice(1),
      start: "all",
    });
    const server = await serve(handler, { port: 0 });
    await using proxy = await FaultyProxy.start(Number(new URL(server.url).port), () => {
      if (next() < 0.2) return undefined;
      // A stall takes the time that it takes to be noticed: fewer of those
      const fault: Fault = FAULTS[Math.floor(next() * FAULTS.length)]!;
      return [fault === "stall" && next() < 0.8 ? "cut" : fault, Math.floor(next() ** 2 * 1_500)];
    });
    let attempts = 0;

    async function run(topic: string): Promise<void> {
      const sent: string[] = [];
      const publishing = (async () => {
        for (let i = 0; i < EVENTS; i++) {
          const data = `${i} ${"ü€🌍\n".repeat(Math.floor(next() * 8))}`;
          sent.push(data);
          await broker.publish(topic, { data, event: i % 3 === 0 ? "third" : undefined });
          if (next() < 0.4) await new Promise((resolve) => setTimeout(resolve, next() * 8));
        }
      })();
      const seen: string[] = [];
      const connection = connect(proxy.url + topic, {
        inactivityTimeout: 400,
        backoff: { initial: 2, max: 5 },
        onRetry: () => attempts++,
        onGap: (gap) => assert(false, `a gap: ${JSON.stringify(gap)}`),
      });
      for await (const { data } of connection) {
        seen.push(data);
        if (seen.length === EVENTS) break;
      }
      await publishing;
      assertEquals(seen, sent);
    }

    for (let i = 0; i < RUNS; i += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, RUNS - i) }, (_, j) => run(`topic-${i + j}`)));
    }
    assertGreater(attempts, RUNS); // the network did fail
    for (const fault of FAULTS) if (fault !== "split") assertGreater(proxy.counts[fault] ?? 0, 0, fault);
    await server.close();
    await broker.close();
  });
});
