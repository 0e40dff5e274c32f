/**
 * A replay store of one's own: here one that writes each event to a journal before it is taken. It keeps its order and its
 * retention by standing on another store, as a store on a database would stand on the database.
 */
import { type AppendResult, Broker, MemoryReplayStore, type NewEvent, type ReplayStore } from "@freshet/sse";

class JournalledReplayStore implements ReplayStore {
  readonly #kept = new MemoryReplayStore({ maxEvents: 1_000 });
  readonly #write: (line: string) => Promise<void>;
  /** Appends may overlap, and their order is that of the calls: each waits for the one before. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(write: (line: string) => Promise<void>) {
    this.#write = write;
  }

  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]> {
    const append = async (): Promise<readonly AppendResult[]> => {
      await this.#write(JSON.stringify(events)); // if this rejects, nothing was stored, and the publisher is told
      return await this.#kept.append(events);
    };
    const appended = this.#last.then(append, append);
    this.#last = appended;
    return appended;
  }

  read: ReplayStore["read"] = (after, options) => this.#kept.read(after, options);
  tail: ReplayStore["tail"] = (handlers) => this.#kept.tail(handlers);
  idAt: ReplayStore["idAt"] = (position) => this.#kept.idAt(position);
  locate: ReplayStore["locate"] = (id, topics) => this.#kept.locate(id, topics);
  seek: ReplayStore["seek"] = (target) => this.#kept.seek(target);
  removed: ReplayStore["removed"] = (topics) => this.#kept.removed(topics);
  close: ReplayStore["close"] = () => this.#kept.close();
}

const store = new JournalledReplayStore((line) => Promise.resolve(console.log("journal", line)));
const broker = new Broker({ store });
await broker.publish("pets/dogs", { data: "woof" });
for await (const { topics, data } of broker.subscribe("pets/**", { start: "all" })) {
  console.log(topics.join(), data);
  break;
}
await broker.close();
await store.close();
