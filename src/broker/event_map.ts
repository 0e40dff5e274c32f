import { checkEvent } from "../wire/event.ts";
import { type JsonEventFields, withText } from "../wire/json.ts";
import { type Delivery, type Entry, mappedEntry } from "./entry.ts";

/** Makes the event that is sent to a subscriber from an event of the log; `undefined` leaves it out. */
export type EventMap = (delivery: Delivery) => Omit<JsonEventFields, "id"> | undefined;

/**
 * The event that a map makes from an event of the log: at the same position, with the same ID.
 *
 * @throws What the map throws, or a `TypeError` if it returns what cannot be sent, or gives it an ID, or is asynchronous.
 */
export function applyMap(map: EventMap, entry: Entry): Entry | undefined {
  const made: JsonEventFields | undefined = map(entry.delivery);
  if (made === undefined) return undefined;
  if (made instanceof Promise) {
    made.catch(() => {}); // the error that is told is that there is a promise
    throw new TypeError("Cannot map events as map must return an event or undefined: got a promise");
  }
  const fields = withText(made, "map events");
  checkEvent(fields);
  if (fields.id !== undefined) {
    throw new TypeError(`Cannot map events as map must leave the id as it is: got ${JSON.stringify(fields.id)}`);
  }
  return mappedEntry(entry, fields);
}
