/**
 * Why events are missing: `"unknown"` (the last event ID stands for no position
 * here), `"expired"` (retention removed some of what followed it), `"dropped"`
 * (the subscriber's budget was full), `"lost"` (the store's engine lost them).
 */
export type GapReason = "unknown" | "expired" | "dropped" | "lost";

/** What a `gap` event's data says, as JSON. */
export interface Gap {
  /** Why events are missing. */
  readonly reason: GapReason;
  /** The last event ID that was asked for; `null` if none was. */
  readonly requested: string | null;
  /** The ID of the position at which the stream goes on. */
  readonly resumed: string;
}
