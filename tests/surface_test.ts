import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

/** Every name that each entry exports, types included: a change of the API is a line here. */
const surface: Readonly<Record<string, { readonly values: readonly string[]; readonly types: readonly string[] }>> = {
  ".": {
    values: [
      "Broker",
      "EventEncoderStream",
      "EventParser",
      "EventParserStream",
      "MemoryReplayStore",
      "SseError",
      "createHandler",
      "encodeEvent",
      "eventStream",
      "lastEventIdOf",
      "parseEvents",
      "subscriberOf",
      "topicOfPath",
      "withTopic",
    ],
    types: [
      "AppendResult",
      "BrokerOptions",
      "BrokerStats",
      "Chunk",
      "CloseOptions",
      "CloseReason",
      "CorsOptions",
      "Delivery",
      "Entry",
      "EventFields",
      "EventMap",
      "EventParserOptions",
      "EventParserStreamOptions",
      "EventStreamOptions",
      "EventStreamSource",
      "EventWriter",
      "Gap",
      "GapReason",
      "Handler",
      "HandlerInfo",
      "HandlerOptions",
      "HeadersInput",
      "Json",
      "JsonEventFields",
      "JsonObject",
      "LeaveHandler",
      "MemoryReplayStoreOptions",
      "NewEvent",
      "ParseEventsOptions",
      "ParsedEvent",
      "Publication",
      "ReadOptions",
      "ReadResult",
      "ReplayStore",
      "SeekTarget",
      "Sink",
      "SseErrorCode",
      "StoredEvent",
      "SubscribeOptions",
      "Subscriber",
      "SubscriberCloseOptions",
      "SubscriberStats",
      "Tail",
      "TailHandlers",
      "TopicStats",
    ],
  },
  "./bun": { values: ["serve"], types: ["ServeHandler", "ServeInfo", "ServeOptions", "Server"] },
  "./client": {
    values: ["EventSource", "ResponseError", "SseError", "connect", "parseEvents"],
    types: [
      "BackoffFunction",
      "BackoffOptions",
      "BodyInput",
      "ConnectOptions",
      "ConnectionEnd",
      "EventParserOptions",
      "EventSourceErrorEvent",
      "EventSourceEventMap",
      "EventSourceHandler",
      "EventSourceInit",
      "EventSourceListener",
      "EventSourceMessage",
      "EventStreamConnection",
      "FetchLike",
      "Gap",
      "GapReason",
      "HeadersInput",
      "HeadersSource",
      "ParseEventsOptions",
      "ParsedEvent",
      "SseErrorCode",
    ],
  },
  "./deno": { values: ["serve"], types: ["ServeHandler", "ServeInfo", "ServeOptions", "Server"] },
  "./node": {
    values: ["serve", "toNodeListener"],
    types: ["NodeInfo", "NodeListener", "ServeHandler", "ServeInfo", "ServeOptions", "Server"],
  },
  "./hub": {
    values: ["createDemo", "createHub"],
    types: ["DemoOptions", "Hub", "HubOptions", "RequestLog", "TokenOptions"],
  },
  "./nats": {
    values: ["NatsReplayStore"],
    types: [
      "ConsumedMessage",
      "ConsumedMessages",
      "EngineStoreOptions",
      "JetStreamClient",
      "JetStreamConfig",
      "JetStreamConsumer",
      "JetStreamManager",
      "JetStreamMessage",
      "LogReplayStore",
      "MessageQuery",
      "NatsReplayStoreOptions",
      "StreamInfo",
      "StreamLimits",
    ],
  },
  "./postgres": {
    values: ["PostgresReplayStore"],
    types: ["EngineStoreOptions", "LogReplayStore", "PostgresClient", "PostgresReplayStoreOptions"],
  },
  "./redis": {
    values: ["RedisReplayStore"],
    types: ["EngineStoreOptions", "IoredisClient", "LogReplayStore", "NodeRedisClient", "RedisReplayStoreOptions"],
  },
  "./sqlite": { values: ["SqliteReplayStore"], types: ["SqliteReplayStoreOptions"] },
  "./cli": { values: [], types: [] }, // a program: importing it runs it
};

const { exports } = JSON.parse(readFileSync("deno.json", "utf8")) as { exports: Record<string, string> };

describe("The public surface", () => {
  it("has these entries", () => assertEquals(Object.keys(exports).sort(), Object.keys(surface).sort()));

  for (const [entry, { values, types }] of Object.entries(surface)) {
    it(`${entry} exports these names and no others`, async () => {
      const code = readFileSync(exports[entry]!, "utf8").replace(/^\s*(?:\/\*|\*|\/\/).*$/gm, "");
      const names = new Set<string>();
      for (const [, isType, list] of code.matchAll(/^export (type )?\{([^}]*)\}/gm)) {
        for (const name of list!.split(",").map((name) => name.trim()).filter(Boolean)) {
          if (isType !== undefined || name.startsWith("type ")) names.add(name.replace(/^type /, ""));
        }
      }
      for (const [, name] of code.matchAll(/^export (?:interface|type) (\w+)/gm)) names.add(name!);
      assertEquals([...names].sort(), [...types].sort());
      if (entry !== "./cli") {
        assertEquals(
          Object.keys(await import(new URL(`../${exports[entry]}`, import.meta.url).href)).sort(),
          [...values].sort(),
        );
      }
    });
  }
});
