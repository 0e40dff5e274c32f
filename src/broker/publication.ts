import { checkEvent, checkEventId } from "../wire/event.ts";
import { type Json, textOf } from "../wire/json.ts";
import type { Publication } from "./broker_options.ts";
import type { NewEvent } from "../stores/replay_store.ts";
import { checkTopic } from "../topic.ts";

/** The longest event ID, in UTF-8 bytes. */
const MAX_ID_BYTES = 256;

/**
 * The longest data and comment, in UTF-16 code units: what clients take (`maxEventSize` of our parser), and what can be
 * encoded, however many lines it has.
 */
const MAX_LENGTH = 16 * 1_048_576;

/**
 * Refuses what cannot be published; what passes needs no more checks on its way.
 *
 * @throws {TypeError | RangeError} If a topic or a field is not valid.
 */
export function checkPublication(topics: string | readonly string[], event: Publication): NewEvent {
  const names = typeof topics === "string" ? [topics] : [...new Set(topics)];
  if (names.length === 0) throw new TypeError("Cannot publish as topics must hold at least one: got none");
  for (const name of names) {
    checkTopic(name);
    if (name.startsWith("$")) {
      throw new TypeError(`Cannot publish as topics that begin with $ are the broker's own: got "${name}"`);
    }
  }
  if (typeof event !== "object" || event === null) {
    throw new TypeError(`Cannot publish as the event must be an object: got ${event === null ? "null" : typeof event}`);
  }
  const data = text(event.data);
  const { event: type, comment, retry } = event;
  checkEvent({ event: type, comment, retry });
  checkLength("data", data);
  if (comment !== undefined) checkLength("comment", comment);
  return { topics: names, id: ownId(event.id), event: type, data, comment, retry };
}

function checkLength(name: string, { length }: string): void {
  if (length <= MAX_LENGTH) return;
  throw new RangeError(`Cannot publish as ${name} must be at most ${MAX_LENGTH} code units: got ${length}`);
}

function text(data: Json | undefined): string {
  if (data === undefined) {
    throw new TypeError(
      "Cannot publish as data is missing: clients dispatch no event without, an empty string will do",
    );
  }
  return textOf(data, "publish");
}

function ownId(given: string | number | undefined): string | undefined {
  if (given === undefined) return undefined;
  checkEventId(given);
  const id = String(given);
  if (id === "") {
    throw new TypeError("Cannot publish as an own id must not be empty: leave it out for one of the store's");
  }
  if (id.length * 3 > MAX_ID_BYTES && new TextEncoder().encode(id).length > MAX_ID_BYTES) {
    throw new TypeError(
      `Cannot publish as id must be at most ${MAX_ID_BYTES} bytes of UTF-8: got "${id.slice(0, 80)}…"`,
    );
  }
  return id;
}
