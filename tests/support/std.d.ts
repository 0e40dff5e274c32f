// The npm build of the standard library has no types, nor has undici's parser. These are what tests use of them.

declare module "@std/assert" {
  export function assert(expr: unknown, msg?: string): asserts expr;
  export function assertEquals<T>(actual: T, expected: NoInfer<T>, msg?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T;
  export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
  export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;
  export function assertLess<T>(actual: T, expected: T, msg?: string): void;
  export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;
  export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
  export function assertThrows<E extends Error>(
    fn: () => unknown,
    // deno-lint-ignore no-explicit-any
    ErrorClass?: abstract new (...args: any[]) => E,
    msgIncludes?: string,
  ): E;
  export function assertRejects<E extends Error>(
    fn: () => PromiseLike<unknown>,
    // deno-lint-ignore no-explicit-any
    ErrorClass?: abstract new (...args: any[]) => E,
    msgIncludes?: string,
  ): Promise<E>;
}

declare module "@std/http/server-sent-event-stream" {
  export interface ServerSentEventMessage {
    comment?: string;
    event?: string;
    data?: string;
    id?: string | number;
    retry?: number;
  }
  export class ServerSentEventStream extends TransformStream<ServerSentEventMessage, Uint8Array> {}
}

declare module "@std/http/unstable-server-sent-event-parse-stream" {
  import type { ServerSentEventMessage } from "@std/http/server-sent-event-stream";
  export type ServerSentEventParsedMessage = ServerSentEventMessage;
  export class ServerSentEventParseStream extends TransformStream<Uint8Array, ServerSentEventMessage> {}
}

declare module "undici/lib/web/eventsource/eventsource-stream.js" {
  interface Message {
    readonly type: string;
    readonly options: { readonly data: string; readonly lastEventId: string | undefined };
  }
  export class EventSourceStream {
    constructor(options: {
      readonly eventSourceSettings: { lastEventId?: string; reconnectionTime?: number };
      readonly push: (message: Message) => boolean;
    });
    _transform(chunk: Uint8Array, encoding: string, done: (error?: Error) => void): void;
  }
}
