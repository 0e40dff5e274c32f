import type { JsonEventFields } from "../wire/json.ts";
import type { Delivery } from "./entry.ts";

/**
 * A `map` for subscribers that must know which topic an event was published to. The data becomes the JSON of
 * `{ topics, data }`, where `data` is the text that would have been sent without it. Type and ID stay as they are.
 *
 * It sends all topics of the event, also those that the subscriber has not subscribed to. If clients must not see them,
 * write a map of your own.
 *
 * @example The room of each event
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, createHandler, parseEvents, withTopic } from "@freshet/sse";
 *
 * await using broker = new Broker();
 * const handler = createHandler(broker, { topics: "rooms/*", map: withTopic });
 *
 * const response = await handler(new Request("http://localhost/"));
 * await broker.publish("rooms/7", { data: { text: "hello" } });
 * for await (const event of parseEvents(response)) {
 *   const { topics, data } = JSON.parse(event.data);
 *   assertEquals([topics, JSON.parse(data)], [["rooms/7"], { text: "hello" }]);
 *   break;
 * }
 * ```
 *
 * @param delivery The event of the log.
 * @returns What is sent in its place.
 */
export function withTopic({ type, topics, data }: Delivery): Omit<JsonEventFields, "id"> {
  return { event: type === "message" ? undefined : type, data: { topics, data } };
}
