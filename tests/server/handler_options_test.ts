import { assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler, eventStream, type HandlerOptions } from "../../mod.ts";

type Refused = readonly [options: object, ErrorClass: typeof TypeError | typeof RangeError, says: string];

const isAsync = async (): Promise<boolean> => await Promise.resolve(false);

const handlers: readonly Refused[] = [
  [{ topics: undefined }, TypeError, "topics"],
  [{ topics: 7 }, TypeError, "topics must be a string, a list of at least one string, or a function: got 7"],
  [{ topics: [] }, TypeError, "topics"],
  [{ topics: ["a", 7] }, TypeError, "topics"],
  [{ topics: "a*" }, TypeError, "a*"],
  [{ topics: ["a", "b/../c"] }, TypeError, "b/../c"],
  [{ overfow: "close" }, TypeError, "overfow"],
  [{ signal: AbortSignal.abort() }, TypeError, "signal"],
  [{ lastEventId: "7" }, TypeError, "lastEventId"],
  [{ toString: 1 }, TypeError, "toString"],
  [{ overflow: "drop_oldest" }, TypeError, 'overflow must be "replay" or "close" or "drop-oldest" or "conflate"'],
  [{ overflow: "drop_oldest" }, TypeError, 'got "drop_oldest"'],
  [{ key: () => "" }, TypeError, "key"],
  [{ key: isAsync, overflow: "conflate" }, TypeError, "key"],
  [{ methods: [] }, TypeError, "methods"],
  [{ methods: "GET" }, TypeError, "methods must be a list of at least one method in capitals"],
  [{ methods: ["get"] }, TypeError, "methods"],
  [{ methods: ["GET", "HEAD"] }, TypeError, "methods"],
  [{ authorize: true }, TypeError, "authorize must be a function: got true"],
  [{ subscribe: {} }, TypeError, "subscribe must be a function"],
  [{ onOpen: isAsync }, TypeError, "onOpen must be a function that is neither async nor a generator"],
  [{ patterns: "yes" }, TypeError, "patterns must be true or false"],
  [{ gone: {} }, TypeError, "gone must be a function: got an object"],
  [{ snapshot: [] }, TypeError, "snapshot must be a function: got an array"],
  [
    { filter: isAsync },
    TypeError,
    "filter must be a function that is neither async nor a generator: got AsyncFunction",
  ],
  [{ filter: function* () {} }, TypeError, "filter"],
  [{ cors: true }, TypeError, "cors"],
  [{ cors: {} }, TypeError, "cors"],
  [{ cors: { origins: "https://app.example" } }, TypeError, "cors"],
  [{ cors: { origins: ["https://app.example/"] } }, TypeError, "cors"],
  [{ cors: { origins: "*", credentials: true } }, TypeError, "cors"],
  [{ cors: { origins: "*", origin: "*" } }, TypeError, "cors"],
  [{ cors: { origins: "*", allowHeaders: "x-tenant" } }, TypeError, "allowHeaders"],
  [{ cors: { origins: "*", allowHeaders: ["x tenant"] } }, TypeError, "allowHeaders"],
  [{ cors: { origins: "*", exposeHeaders: ["x\r\ny"] } }, TypeError, "exposeHeaders"],
  [{ cors: null }, TypeError, "cors must be an object"],
  [{ cors: { origins: ["http s://app.example"] } }, TypeError, "cors"],
  [{ headers: "x: y" }, TypeError, "headers"],
  [{ headers: { "x y": "z" } }, TypeError, "headers"],
  [{ headers: { x: "a\nb" } }, TypeError, "headers"],
  [{ maxStreams: "10" }, TypeError, 'maxStreams must be a number >= 0: got "10"'],
  [{ maxStreams: -1 }, RangeError, "maxStreams must be a number >= 0: got -1"],
  [{ openTimeout: NaN }, RangeError, "openTimeout"],
  [{ openTimeout: null }, TypeError, "openTimeout"],
  [{ whenFull: "503 " }, TypeError, "whenFull"],
  [{ whenFull: 503 }, TypeError, 'whenFull must be "retry" or "503": got 503'],
  [{ retryWhenFull: Infinity }, RangeError, "retryWhenFull"],
  [{ maxBufferedBytes: 0 }, RangeError, "maxBufferedBytes"],
  [{ maxBufferedBytes: "1 MiB" }, TypeError, "maxBufferedBytes"],
  [{ checkpoints: "no" }, TypeError, "checkpoints must be true or false"],
  [{ gapEvent: true }, TypeError, "gapEvent"],
  [{ closeEvent: "a\nb" }, TypeError, "event"],
  [{ retry: "5" }, TypeError, "retry"],
  [{ retry: 0.5 }, RangeError, "retry"],
  [{ start: "begin" }, TypeError, "start"],
  [{ start: 7 }, TypeError, 'start must be "tail", "all", or an object: got 7'],
  [{ start: { last: 0 } }, TypeError, "start"],
  [{ unknownId: "none" }, TypeError, "unknownId"],
];

const streams: readonly Refused[] = [
  [{ heartbeet: 1 }, TypeError, "heartbeet"],
  [{ heartbeat: "8s" }, TypeError, 'heartbeat must be a number >= 0: got "8s"'],
  [{ heartbeat: -1 }, RangeError, "heartbeat must be a number >= 0: got -1"],
  [{ heartbeat: NaN }, RangeError, "heartbeat"],
  [{ retry: "5" }, TypeError, "retry"],
  [{ retry: Infinity }, RangeError, "retry"],
  [{ headers: 7 }, TypeError, "headers"],
  [{ onError: isAsync }, TypeError, "onError"],
  [{ onCancel: "stop" }, TypeError, "onCancel"],
];

describe("createHandler() refuses, when it is made,", () => {
  for (const [options, ErrorClass, says] of handlers) {
    it(`${Object.keys(options)}: ${says}`, async () => {
      await using broker = new Broker();
      const error = assertThrows(
        () => createHandler(broker, { topics: "a", ...options } as HandlerOptions),
        ErrorClass,
      );
      assertStringIncludes(error.message, says);
    });
  }

  it("options that are none", () => {
    for (const options of [undefined, null, 7, "a"]) {
      assertThrows(() => createHandler({ subscribe: () => undefined as never }, options as never), TypeError);
    }
  });
});

describe("createHandler() takes", () => {
  const taken: readonly Partial<HandlerOptions>[] = [
    { authorize: undefined, cors: undefined, methods: undefined, overflow: undefined },
    { methods: ["GET", "POST"], openTimeout: Infinity, maxStreams: 0, retryWhenFull: 0 },
    { methods: ["HEADLESS"], start: "all" },
    { cors: { origins: [] }, headers: [["x", "y"]] },
    { cors: { origins: ["null", "https://app.example:8443", "chrome-extension://abc"], credentials: true } },
    { cors: { origins: isAsync, credentials: true, allowHeaders: ["X-Tenant", "*"], exposeHeaders: [] } },
    { overflow: "conflate", key: () => "", gapEvent: false, closeEvent: "bye", checkpoints: false, unknownId: "start" },
    { patterns: true, subscribe: async () => await Promise.resolve({}), onOpen: () => {} },
    { start: { since: new Date() }, authorize: isAsync, gone: isAsync, topics: async () => await Promise.resolve("a") },
  ];
  for (const options of taken) {
    it(Object.keys(options).join(", "), async () => {
      await using broker = new Broker();
      createHandler(broker, { topics: "a", ...options });
    });
  }
});

describe("eventStream() refuses", () => {
  for (const [options, ErrorClass, says] of streams) {
    it(`${Object.keys(options)}: ${says}`, () => {
      const error = assertThrows(() => eventStream(async () => {}, options), ErrorClass);
      assertStringIncludes(error.message, says);
    });
  }
});
