import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker } from "../../mod.ts";
import { type EngineSpec, missing, startEngine, startReplica } from "../support/engines.ts";
import { openTestStore } from "../support/open_store.ts";
import { reading } from "../support/store_processes.ts";
import { TcpSwitch } from "../support/tcp_switch.ts";

/** How many events are acknowledged that the replica never gets. */
const LOST = 10;

/** A node that publishes one event after the other, whatever happens, and knows which were acknowledged. */
class Publisher {
  readonly acknowledged: string[] = [];
  readonly #ended: Promise<void>;
  #enough = false;
  #wake = (): void => {};

  constructor(broker: Broker, who: string) {
    this.#ended = (async () => {
      for (let i = 0; !this.#enough; i++) {
        const data = `${who} ${i}`;
        // What fails may be there or not, and counts as neither
        await broker.publish("t", { data }).then(() => this.acknowledged.push(data), () => {});
        this.#wake();
      }
    })();
  }

  /** Waits until so many more are acknowledged. */
  async more(count: number): Promise<void> {
    const until = this.acknowledged.length + count;
    while (this.acknowledged.length < until) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  async end(): Promise<void> {
    this.#enough = true;
    await this.#ended;
  }
}

/**
 * A replica takes over that lacks what its primary acknowledged last. Whoever has seen that is a witness: the subscribers of
 * a node that has seen nothing of it are told by what the witnesses do, however busy these are.
 */
export function failoverSuite(name: string, spec: EngineSpec): void {
  describe(`${name} on ${spec.name}: a replica takes over`, { skip: missing(spec) }, () => {
    for (
      const [witnesses, busy, follow] of [
        ["an idle witness", 0, true],
        ["a witness that never pauses", 1, true],
        ["a witness that never pauses and has no subscribers", 1, false],
        ["two witnesses that never pause", 2, true],
      ] as const
    ) {
      it(`${witnesses}: who never saw what is lost is told`, { timeout: 120_000 }, async () => {
        const closing: (() => Promise<unknown>)[] = [];
        const node = async (through: TcpSwitch): Promise<Broker> => {
          const url = spec.url(through.port);
          const { store, close } = await openTestStore(url, { name: "failover", timeout: 20_000 });
          const broker = new Broker({ store });
          closing.unshift(() => broker.close(), close);
          return broker;
        };
        const primary = await startEngine(spec);
        closing.unshift(() => primary.stop());
        await using replication = await TcpSwitch.start(primary.port);
        const replica = await startReplica(spec, primary, replication.port);
        closing.unshift(() => replica.stop());
        await using theirs = await TcpSwitch.start(primary.port);
        await using ours = await TcpSwitch.start(primary.port);
        try {
          const there = await node(theirs);
          const told = reading(there.subscribe("t"));
          await there.publish("elsewhere", { data: "it follows the log by now" });
          const here = await Promise.all(Array.from({ length: Math.max(1, busy) }, () => node(ours)));
          const mine = follow ? here.map((broker) => reading(broker.subscribe("t"))) : [];
          for (const broker of here) await broker.publish("elsewhere", { data: "so does this" });
          for (let i = 0; i < 5; i++) await here[0]!.publish("t", { data: `kept ${i}` });
          await Promise.all([told, ...mine].map(({ until }) => until(5)));
          await replica.catchUp();
          replication.hold();
          theirs.hold();
          for (let i = 0; i < LOST; i++) await here[i % here.length]!.publish("t", { data: `lost ${i}` });
          await Promise.all(mine.map(({ until }) => until(5 + LOST)));
          const publishers = here.slice(0, busy).map((broker, i) => new Publisher(broker, `busy ${i}`));
          await Promise.all(publishers.map((publisher) => publisher.more(5)));
          await primary.kill();
          await replica.promote();
          for (const through of [theirs, ours]) through.point(replica.port);
          const before = publishers.map(({ acknowledged }) => acknowledged.length);
          await Promise.all(publishers.map((publisher) => publisher.more(20)));
          await Promise.all(publishers.map((publisher) => publisher.end()));
          await there.publish("t", { data: "end" });
          const isOver = ({ seen }: typeof told): boolean =>
            seen.some(({ data }) => data === "end") && seen.some(({ type }) => type === "gap");
          for (const reader of [told, ...mine]) {
            while (!isOver(reader)) await reader.until(reader.seen.length + 1);
            const gaps = reader.seen.filter(({ type }) => type === "gap").map(({ data }) => JSON.parse(data).reason);
            assertEquals(new Set(gaps), new Set(["lost"]));
            const data = reader.seen.flatMap(({ type, data }) => type === "gap" ? [] : [data]);
            assertEquals(data.length, new Set(data).size, "an event came twice");
            assertEquals(data.filter((data) => data.startsWith("kept")).length, 5);
            for (const [i, { acknowledged }] of publishers.entries()) {
              for (const one of acknowledged.slice(before[i]! + 1)) assert(data.includes(one), `${one} is missing`);
            }
          }
          assertEquals(told.seen.filter(({ data }) => data.startsWith("lost")), []);
        } finally {
          for (const close of closing) await close();
        }
      });
    }
  });
}
