import type { Delivery, SubscribeOptions } from "../../mod.ts";
import type { Choices } from "./choices.ts";
import type { Wanted } from "./client_model.ts";

/** The topics that there are. */
export const TOPICS: readonly string[] = ["a", "b", "a/x", "a/y/z", "c"];
/** The type of the events that end a run: everybody gets them. */
export const LAST: string = "last";

const SUBSCRIPTIONS = [["a"], ["b"], ["a/**"], ["*"], ["a", "b"], ["c", "a/*"], ["**"], ["a/x", "a/**", "c"]];

/** How a client is served: by the adapter's own sink, by a stream, by a loop; over a socket, or in the same process. */
const WAYS = {
  "handler": 9,
  "handler, HTTP/1.0": 2,
  "readable": 3,
  "event stream": 2,
  "response in process": 3,
  "loop in process": 2,
};

/** What a client asks for, in all its connections. */
export interface Wishes extends Wanted {
  readonly way: keyof typeof WAYS;
  /** Whether it returns by itself as soon as its connection has ended. */
  readonly returns: boolean;
  readonly options: Pick<
    SubscribeOptions,
    "start" | "overflow" | "maxBufferedBytes" | "checkpoints" | "closeEvent" | "retry"
  >;
  /** Whether it filters. */
  readonly filters: boolean;
  /** Whether it brings its own key. */
  readonly keys: boolean;
  /** Whether its snapshot is made in steps. */
  readonly slowState: boolean;
}

/** The number that an event's data begins with. */
export function numberOf({ data }: Pick<Delivery, "data">): number {
  return parseInt(data, 10);
}

export function wishes(choices: Choices, budget: number): Wishes {
  const way = choices.weighted(WAYS);
  const overflow = choices.pick(["replay", "close", "drop-oldest", "conflate"] as const);
  const isLoop = way === "event stream" || way === "loop in process"; // it sees no checkpoint: a snapshot gives it no place
  const stateEvents = !isLoop && choices.chance(0.3) ? choices.integer(1, 5) : 0;
  const start = stateEvents > 0
    ? "tail"
    : choices.pick(["tail", "tail", "all", { last: choices.integer(1, 5) }] as const);
  const filters = choices.chance(0.5);
  const keys = overflow === "conflate" && choices.chance(0.7);
  const every = choices.integer(2, 4);
  return {
    way,
    topics: choices.pick(SUBSCRIPTIONS),
    wants: (event) => !filters || event.data.endsWith(LAST) || numberOf(event) % every !== 0,
    overflow,
    key: (event) =>
      !keys ? event.topics[0]! : event.data.endsWith(LAST) ? event.data : `key ${numberOf(event) % every}`,
    start,
    stateEvents,
    returns: choices.chance(0.5),
    options: {
      start,
      overflow,
      maxBufferedBytes: choices.pick([budget, budget, Math.ceil(budget / 3), budget * 4]),
      checkpoints: choices.chance(0.75),
      closeEvent: choices.chance(0.8) ? undefined : false,
      retry: choices.chance(0.2) ? 5 : undefined,
    },
    filters,
    keys,
    slowState: choices.chance(0.5),
  };
}
