/**
 * Server-Sent Events on Web standards: write and read the event stream format,
 * publish to topics, replay what a client missed, answer requests.
 *
 * @example From publish to a client
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, createHandler, parseEvents } from "@freshet/sse";
 *
 * await using broker = new Broker();
 * const handler = createHandler(broker, { topics: "pets/**" });
 *
 * const id = await broker.publish("pets/dogs", { data: "first" });
 * await broker.publish("pets/cats", { data: "second" });
 *
 * const request = new Request("http://localhost/", { headers: { "last-event-id": id } });
 * for await (const event of parseEvents(await handler(request))) {
 *   assertEquals(event.data, "second"); // it resumes after what it has
 *   break;
 * }
 * ```
 *
 * @module
 */
export { SseError, type SseErrorCode } from "./src/errors.ts";
export type { EventFields, ParsedEvent } from "./src/wire/event.ts";
export type { HeadersInput } from "./src/wire/fetch_input.ts";
export type { Gap, GapReason } from "./src/wire/gap.ts";
export type { Json, JsonEventFields, JsonObject } from "./src/wire/json.ts";
export { encodeEvent } from "./src/wire/encode.ts";
export { EventEncoderStream } from "./src/wire/encode_stream.ts";
export { EventParser, type EventParserOptions } from "./src/wire/parse.ts";
export { EventParserStream, type EventParserStreamOptions } from "./src/wire/parse_stream.ts";
export { parseEvents, type ParseEventsOptions } from "./src/wire/parse_events.ts";
export { Broker } from "./src/broker/broker.ts";
export type { BrokerOptions, BrokerStats, CloseOptions, Publication, TopicStats } from "./src/broker/broker_options.ts";
export type { Chunk } from "./src/broker/chunk.ts";
export type { Delivery, Entry } from "./src/broker/entry.ts";
export type { EventMap } from "./src/broker/event_map.ts";
export { withTopic } from "./src/broker/with_topic.ts";
export { MemoryReplayStore, type MemoryReplayStoreOptions } from "./src/stores/memory.ts";
export type {
  AppendResult,
  NewEvent,
  ReadOptions,
  ReadResult,
  ReplayStore,
  SeekTarget,
  StoredEvent,
  Tail,
  TailHandlers,
} from "./src/stores/replay_store.ts";
export type { LeaveHandler, Sink } from "./src/broker/sink.ts";
export type {
  CloseReason,
  SubscribeOptions,
  Subscriber,
  SubscriberCloseOptions,
  SubscriberStats,
} from "./src/broker/subscriber.ts";
export { subscriberOf } from "./src/server/carried.ts";
export type { CorsOptions } from "./src/server/cors.ts";
export { eventStream, type EventStreamOptions } from "./src/server/event_stream.ts";
export type { EventStreamSource } from "./src/server/event_source.ts";
export type { EventWriter } from "./src/server/event_writer.ts";
export { createHandler } from "./src/server/handler.ts";
export type { Handler, HandlerInfo, HandlerOptions } from "./src/server/handler_options.ts";
export { lastEventIdOf } from "./src/server/last_event_id.ts";
export { topicOfPath } from "./src/server/topic_of_path.ts";
