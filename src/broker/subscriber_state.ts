import type { GapReason } from "../wire/gap.ts";
import type { OverflowPolicy } from "./overflow.ts";
import type { CloseReason } from "./subscriber.ts";

/** Events that are missing from a subscriber's position on: it is told before it gets another. */
export interface Missing {
  readonly reason: GapReason;
  /** The last event ID that was asked for; `null` if none was. */
  readonly requested: string | null;
}

/** Its place in the log is not known yet, or it is not being read yet. */
export interface Waiting {
  readonly is: "waiting";
  missing: Missing | undefined;
}

/** It is sent the application's state as it was at its place. */
export interface SendingSnapshot {
  readonly is: "snapshot";
  /** What the log has lost meanwhile. */
  missing: Missing | undefined;
  /** Goes on with the snapshot: when the outlet has drained, or once it is in another state. */
  resume: (() => void) | undefined;
}

/** It reads the log. */
export interface CatchingUp {
  readonly is: "catching-up";
  missing: Missing | undefined;
  /** Whether it waits for its outlet to drain. */
  isFull: boolean;
}

/** It has all that the log has, and what is new is pushed to it. */
export interface Live {
  readonly is: "live";
  readonly policy: OverflowPolicy;
  /** Whether it is being pushed to at this moment: its filter, say, may do anything meanwhile. */
  isPushing: boolean;
}

/** Nothing is sent any more. */
export interface Ended {
  readonly is: "ended";
  readonly reason: CloseReason;
}

/** What a subscriber does: one thing at a time, with what only that needs. */
export type SubscriberState = Waiting | SendingSnapshot | CatchingUp | Live | Ended;

/** Which state may follow which: docs/architecture.md has the picture. */
export const FOLLOWING: { readonly [Name in SubscriberState["is"]]: readonly SubscriberState["is"][] } = {
  waiting: ["snapshot", "catching-up", "ended"],
  snapshot: ["catching-up", "ended"],
  "catching-up": ["live", "snapshot", "ended"],
  live: ["catching-up", "ended"],
  ended: [],
};
