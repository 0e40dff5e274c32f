/**
 * What publishing costs: to one topic with 100,000 other topics and patterns subscribed as with none, and by how much is
 * published.
 */
import { Broker, MemoryReplayStore } from "../mod.ts";
import { compare, median, report, runtime } from "./support/compare.ts";

const OTHERS = 100_000;
const BATCH = 1_000;

function subscribed(others: number): Broker {
  const broker = new Broker({
    heartbeat: 0,
    store: new MemoryReplayStore({ maxEvents: 10_000 }),
    windowBytes: 1 << 20,
  });
  for (let i = 0; i < others; i++) attach(broker, i % 2 === 0 ? `other/${i}` : `other/${i}/*`);
  attach(broker, "t");
  return broker;
}

function attach(broker: Broker, topic: string): void {
  broker.subscribe(topic).attach(() => ({
    bufferedBytes: 0,
    write() {},
    onceDrained: (callback) => queueMicrotask(callback),
    end() {},
    abort() {},
  }));
}

async function publish(broker: Broker): Promise<void> {
  const calls: Promise<string>[] = [];
  for (let i = 0; i < BATCH; i++) calls.push(broker.publish("t", { data: "x".repeat(100) }));
  await Promise.all(calls);
}

const [alone, crowded] = [subscribed(0), subscribed(OTHERS)];
await publish(alone);
await publish(crowded);
report(
  "Publishing to one topic, with 100,000 others subscribed",
  [
    await compare({
      shape: "1,000 events",
      work: BATCH,
      ours: () => publish(crowded),
      peers: { "with no others": () => publish(alone) },
    }),
  ],
  (perSecond) => `${(perSecond / 1e3).toFixed(0)} k events/s`,
);
await Promise.all([alone.close(), crowded.close()]);

console.log(`\nTime to publish, by how much (${runtime})\n\n| events | µs an event |\n|---|---|`);
for (const count of [10_000, 100_000, 1_000_000]) {
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    const broker = subscribed(0);
    const start = performance.now();
    for (let i = 0; i < count / BATCH; i++) await publish(broker);
    times.push((performance.now() - start) * 1_000 / count);
    await broker.close();
  }
  console.log(`| ${count} | ${median(times).toFixed(2)} |`);
}
