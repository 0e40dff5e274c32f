import { type Broker, isShared, tellNodes, tellOnError } from "../broker/broker.ts";
import type { Connections, WhichConnections } from "./connections.ts";

/** What nodes tell each other by. */
const TOPIC = "$hub/end";

/** Ends connections on every node: the one that is asked ends its own, and tells the others. */
export class ConnectionEnds {
  readonly #broker: Broker;
  readonly #connections: Connections;
  readonly #abort = new AbortController();

  constructor(broker: Broker, connections: Connections) {
    this.#broker = broker;
    this.#connections = connections;
    if (this.reachesOthers) void this.#listen();
  }

  /** Whether there are others to tell: then this node does not know how many they end. */
  get reachesOthers(): boolean {
    return isShared(this.#broker);
  }

  /**
   * Ends some.
   *
   * @returns How many, on this node.
   */
  async end(which: WhichConnections): Promise<number> {
    const ended = this.#connections.end(which);
    if (this.reachesOthers) await tellNodes(this.#broker, TOPIC, JSON.stringify(which));
    return ended;
  }

  close(): void {
    this.#abort.abort();
  }

  async #listen(): Promise<void> {
    const subscriber = this.#broker.subscribe(TOPIC, {
      signal: this.#abort.signal,
      gapEvent: false,
      closeEvent: false,
    });
    try {
      for await (const { data } of subscriber) this.#hear(data);
    } catch (error) {
      tellOnError(this.#broker, error);
    }
  }

  /** What cannot be understood is another's mistake: it must not end this node. */
  #hear(data: string): void {
    try {
      this.#connections.end(whichOf(data));
    } catch (error) {
      tellOnError(this.#broker, error);
    }
  }
}

/** @throws {TypeError} If another node says what it cannot mean. */
function whichOf(data: string): WhichConnections {
  let which: unknown;
  try {
    which = JSON.parse(data);
  } catch {
    // It is refused below
  }
  if (typeof which === "object" && which !== null && Object.keys(which).length === 1) {
    const { id, user } = which as { id?: unknown; user?: unknown };
    if (typeof id === "string") return { id };
    if (typeof user === "string") return { user };
  }
  throw new TypeError(`Cannot end connections as a node must name an id or a user: got ${data.slice(0, 80)}`);
}
