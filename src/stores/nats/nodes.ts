import type { JetStreamClient, JetStreamManager } from "./client.ts";
import { ATTEMPT_MS, NS_PER_MS } from "./answers.ts";
import { Subjects } from "./subject.ts";

const decoder = new TextDecoder();

/** What the nodes on a log say: a stream in memory that holds the newest word of each, for as long as words hold. */
export class NatsNodes {
  readonly #client: JetStreamClient;
  readonly #stream: string;
  readonly #subjects: Subjects;
  readonly #ask: <T>(question: (manager: JetStreamManager) => Promise<T>) => Promise<T>;

  constructor(
    client: JetStreamClient,
    log: string,
    ask: <T>(question: (manager: JetStreamManager) => Promise<T>) => Promise<T>,
  ) {
    this.#client = client;
    this.#stream = `${log}_nodes`;
    this.#subjects = new Subjects(log, "freshet_nodes");
    this.#ask = ask;
  }

  async announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    const publish = (): Promise<unknown> =>
      this.#client.publish(this.#subjects.topic(node), `${node}\n${says ?? ""}`, {
        msgID: crypto.randomUUID(),
        timeout: ATTEMPT_MS,
      });
    await publish().catch(async (error) => {
      if (!(error instanceof Error) || error.name !== "JetStreamNotEnabled") throw error;
      await this.#make(ttl);
      await publish();
    });
    const nodes = new Map<string, string>();
    for (let seq = 1;;) {
      const query = { seq, next_by_subj: this.#subjects.all };
      const message = await this.#ask(({ streams }) => streams.getMessage(this.#stream, query));
      if (message === null) return nodes;
      const [name, words] = decoder.decode(message.data).split("\n") as [string, string];
      if (words !== "") nodes.set(name, words);
      seq = message.seq + 1;
    }
  }

  async #make(ttl: number): Promise<void> {
    const max_age = ttl * NS_PER_MS;
    const limits = { max_msgs: -1, max_bytes: -1, max_age, max_msgs_per_subject: 1, duplicate_window: max_age };
    await this.#ask(({ streams }) =>
      streams.add({
        name: this.#stream,
        subjects: [this.#subjects.all],
        storage: "memory",
        discard: "old",
        num_replicas: 1,
        ...limits,
      })
    );
  }
}
