import type { Broker, Subscriber } from "../../mod.ts";
import type { Choices } from "./choices.ts";
import type { Client } from "./client.ts";
import { Injected } from "./injected.ts";

/** Where an application's code is called. */
export type Place = "filter" | "key" | "snapshot" | "onSubscribe" | "onUnsubscribe" | "onPublish" | "onGap" | "onError";

const DEEDS = {
  "throws": 3,
  "closes its own": 2,
  "closes another": 2,
  "aborts its signal": 1,
  "aborts another's signal": 1,
  "publishes": 2,
  "subscribes": 1,
};

/** What deeds are done to. */
export interface DeedHost {
  readonly broker: Broker;
  readonly clients: readonly Client[];
  publish(): void;
  /** Keeps a subscriber that nobody else does, until the run ends. */
  keep(subscribe: () => Subscriber): void;
  say(what: string): void;
}

/** What callbacks do now and then beside what they are for: no more than so often in a run. */
export class Deeds {
  readonly #host: DeedHost;
  readonly #choices: Choices;
  readonly #probability: number;
  #left: number;

  constructor(host: DeedHost, choices: Choices, most: number) {
    this.#host = host;
    this.#choices = choices;
    this.#left = most;
    this.#probability = choices.pick([0, 0.002, 0.02, 0.1]);
  }

  /** From now on nothing is done. */
  stop(): void {
    this.#left = 0;
  }

  perhaps(place: Place, self: Client | undefined): void {
    const often = place === "filter" || place === "key" ? 1 : 4;
    if (this.#left <= 0 || !this.#choices.chance(this.#probability * often)) return;
    this.#left--;
    const deed = this.#choices.weighted(DEEDS);
    const { clients } = this.#host;
    const other = this.#choices.pick(clients);
    this.#host.say(
      `${place} of ${self?.name ?? "the broker"} ${deed}${deed.includes("another") ? `: ${other.name}` : ""}`,
    );
    switch (deed) {
      case "throws":
        throw new Injected(`${place} throws`);
      case "closes its own":
        return void self?.subscriber?.close("gone");
      case "closes another":
        return void other.subscriber?.close("gone", { retry: 3 });
      case "aborts its signal":
        return self?.abort();
      case "aborts another's signal":
        return other.abort();
      case "publishes":
        return this.#host.publish();
      case "subscribes":
        return this.#host.keep(() => this.#host.broker.subscribe(["a/**", "b"], { start: "all" }));
    }
  }
}
