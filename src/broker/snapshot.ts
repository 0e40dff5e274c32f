import { encodeEvent } from "../wire/encode.ts";
import type { EventFields } from "../wire/event.ts";
import { turn } from "../time/later_turn.ts";
import { withText } from "../wire/json.ts";
import type { Entry } from "./entry.ts";
import { Stint } from "./stint.ts";
import type { SubscribeOptions } from "./subscriber.ts";

const encoder = new TextEncoder();

/** The receiver of a snapshot. */
export interface SnapshotReceiver {
  /** Whether it is still to be sent. */
  readonly isWanted: boolean;
  /** Whether an entry fits its budget now. */
  fits(entry: Entry): boolean;
  /** Makes `resumed` resolve when the outlet has drained. */
  awaitDrain(): void;
  /** Resolves when the outlet has drained, or the snapshot is not wanted any more. It may resolve for nothing. */
  resumed(): Promise<void>;
  write(entry: Entry): void;
}

/**
 * Sends a snapshot, as fast as its receiver takes it, for as long as it is wanted: one that hangs then is left to itself.
 *
 * @throws What the snapshot throws while it is wanted.
 */
export async function sendSnapshot(entries: AsyncGenerator<Entry, void>, receiver: SnapshotReceiver): Promise<void> {
  const stint = new Stint();
  stint.begin();
  while (receiver.isWanted) {
    if (stint.isOver()) {
      await turn();
      stint.begin();
    }
    const next = entries.next();
    let step: IteratorResult<Entry, void> | undefined;
    while (receiver.isWanted && step === undefined) {
      step = await Promise.race([next, receiver.resumed().then(() => undefined)]);
    }
    if (step === undefined) break;
    if (step.done === true) return;
    while (receiver.isWanted && !receiver.fits(step.value)) {
      const resumed = receiver.resumed();
      receiver.awaitDrain();
      await resumed;
    }
    if (receiver.isWanted) receiver.write(step.value);
  }
  entries.return().catch(() => {}); // not awaited: it ends when it can
}

/**
 * The events of a snapshot, encoded, at a position of the log.
 *
 * @param lastId An ID that the last of them is to carry.
 */
export async function* snapshotEntries(
  snapshot: ReturnType<NonNullable<SubscribeOptions["snapshot"]>>,
  position: number,
  lastId: string | undefined,
): AsyncGenerator<Entry, void> {
  let held: EventFields | undefined;
  for await (const event of await snapshot) {
    if (event.id !== undefined) {
      throw new TypeError(`Cannot send snapshot as its events must have no id: got ${event.id}`);
    }
    if (held !== undefined) yield entryAt(held, position);
    held = withText(event, "send snapshot");
  }
  if (held !== undefined) yield entryAt(lastId === undefined ? held : { ...held, id: lastId }, position);
}

function entryAt(event: EventFields, position: number): Entry {
  const { event: type = "", data = "" } = event;
  return {
    position,
    bytes: encoder.encode(encodeEvent(event)),
    delivery: { id: "", topics: [], type: type === "" ? "message" : type, data },
  };
}
