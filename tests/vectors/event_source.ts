import type { ScriptedResponse } from "../support/scripted_server.ts";

/** What an `EventSource` must be seen to do: the same in every runtime, with ours and with a browser's own. */
export interface EventSourceCase {
  readonly says: string;
  /** What the server answers, request by request. `OTHER` in a header stands for another origin of the same server. */
  readonly script: readonly ScriptedResponse[];
  /** What is seen: events as the observer writes them. */
  readonly sees: readonly string[];
  /** What the requests have as last event ID. @default {none, one request for each response of the script} */
  readonly asks?: readonly (string | undefined)[];
  /** The event types to listen to, beside `message`. */
  readonly types?: readonly string[];
  /** Calls `close()` within the listener that sees this. */
  readonly closesAt?: string;
  /** Throws within the listener that sees this. */
  readonly throwsAt?: string;
}

/** Says to come back at once. */
const SOON = "retry: 1\n\n";
const STAY: ScriptedResponse = { chunks: ["data: end\n\n"] };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function refused(says: string, response: ScriptedResponse): EventSourceCase {
  return { says: `fails for good on ${says}`, script: [response], sees: ["error 2"] };
}

function accepted(says: string, contentType: string): EventSourceCase {
  return {
    says: `takes ${says}`,
    script: [{ headers: { "content-type": contentType }, chunks: ["data: a\n\n"] }],
    sees: ["open 1", "message a"],
  };
}

export const eventSourceCases: readonly EventSourceCase[] = [
  {
    says: "dispatches events in order, with type, data, ID and origin",
    script: [{ chunks: ["data: a\n\n", "id: 1\nevent: add\ndata: b\ndata\ndata: c\n\ndata: d\n\n", "data\n\n"] }],
    types: ["add"],
    sees: ["open 1", "message a", "add b\\n\\nc id=1", "message d id=1", "message  id=1"],
  },
  {
    says: "reads one BOM, every line end, and characters that are cut",
    script: [{
      chunks: [
        "\uFEFFdata: a\r",
        "\ndata: b\r\r",
        "data: c\n",
        "\n",
        ...Array.from(bytes("data: ü€🌍\n\n"), (b) => Uint8Array.of(b)),
      ],
    }],
    sees: ["open 1", "message a\\nb", "message c", "message ü€🌍"],
  },
  {
    says: "comes back after the stream has ended, with the last event ID",
    script: [{ chunks: [SOON, "id: 7\ndata: a\n\n"], then: "end" }, STAY],
    sees: ["open 1", "message a id=7", "error 0", "open 1", "message end id=7"],
    asks: [undefined, "7"],
  },
  {
    says: "comes back after the connection was reset, without what had not ended",
    script: [{ chunks: [SOON, "id: 1\ndata: a\n\nid: 2\ndata: lost\n"], then: "reset" }, STAY],
    sees: ["open 1", "message a id=1", "error 0", "open 1", "message end id=1"],
    asks: [undefined, "1"],
  },
  {
    says: "keeps the ID of a block without data",
    script: [{ chunks: [SOON, "id: 5\n\n"], then: "end" }, STAY],
    sees: ["open 1", "error 0", "open 1", "message end id=5"],
    asks: [undefined, "5"],
  },
  {
    says: "keeps no ID of a block that had not ended",
    script: [{ chunks: [SOON, "id: 5\ndata: a\n"], then: "end" }, STAY],
    sees: ["open 1", "error 0", "open 1", "message end"],
    asks: [undefined, undefined],
  },
  {
    says: "sends an ID that is not ASCII as UTF-8",
    script: [{ chunks: [SOON, "id: Grüße, 世界 🌍\ndata: a\n\n"], then: "end" }, STAY],
    sees: ["open 1", "message a id=Grüße, 世界 🌍", "error 0", "open 1", "message end id=Grüße, 世界 🌍"],
    asks: [undefined, "Grüße, 世界 🌍"],
  },
  {
    says: "forgets the ID when it is empty, and ignores one with NUL",
    script: [{ chunks: [SOON, "id: 5\ndata: a\n\nid: 6\0\ndata: b\n\nid\ndata: c\n\n"], then: "end" }, STAY],
    sees: ["open 1", "message a id=5", "message b id=5", "message c", "error 0", "open 1", "message end"],
    asks: [undefined, undefined],
  },
  {
    says: "comes back as often as it must",
    script: [
      { chunks: [SOON, "id: 1\n\n"], then: "end" },
      { chunks: ["id: 2\n\n"], then: "reset" },
      { then: "end" },
      { status: 0 },
      STAY,
    ],
    sees: ["open 1", "error 0", "open 1", "error 0", "open 1", "error 0", "error 0", "open 1", "message end id=2"],
    asks: [undefined, "1", "2", "2", "2"],
  },
  {
    says: "fails for good when it comes back to an error",
    script: [{ chunks: [SOON], then: "end" }, { status: 500, then: "end" }],
    sees: ["open 1", "error 0", "error 2"],
    asks: [undefined, undefined],
  },
  {
    says: "waits for a reconnection time that is longer than a timer can",
    script: [{ chunks: ["retry: 4294967296\n\ndata: a\n\n"], then: "end" }],
    sees: ["open 1", "message a", "error 0"],
  },
  {
    says: "ignores a reconnection time that is not digits only",
    script: [{ chunks: [SOON, "retry: 9999999999x\n\nretry: -1\n\nretry: 1e9\n\ndata: a\n\n"], then: "end" }, STAY],
    sees: ["open 1", "message a", "error 0", "open 1", "message end"],
  },
  {
    says: "dispatches nothing after close() in a listener",
    script: [{ chunks: ["data: a\n\ndata: b\n\ndata: c\n\n"], then: "end" }],
    closesAt: "message b",
    sees: ["open 1", "message a", "message b"],
  },
  {
    says: "does not come back after close() in a listener of error",
    script: [{ chunks: [SOON], then: "end" }],
    closesAt: "error 0",
    sees: ["open 1", "error 0"],
  },
  {
    says: "goes on when a listener throws",
    script: [{ chunks: ["data: a\n\ndata: b\n\n", "data: c\n\n"] }],
    throwsAt: "message a",
    sees: ["open 1", "message a", "message b", "message c"],
  },
  {
    says: "dispatches events that the stream calls open and error",
    script: [{ chunks: ["event: open\ndata: a\n\nevent: error\ndata: b\n\n"] }],
    sees: ["open 1", "open a", "error b"],
  },
  ...[301, 302, 303, 307, 308].map((status): EventSourceCase => ({
    says: `follows a ${status}, and asks at the first address when it comes back`,
    script: [
      { status, headers: { location: "/elsewhere" }, then: "end" },
      { chunks: [SOON, "id: 1\ndata: a\n\n"], then: "end" },
      STAY,
    ],
    sees: ["open 1", "message a id=1", "error 0", "open 1", "message end id=1"],
    asks: [undefined, undefined, "1"],
  })),
  {
    says: "tells the origin that redirects have led to",
    script: [{ status: 307, headers: { location: "OTHER" }, then: "end" }, { chunks: ["data: a\n\n"] }],
    sees: ["open 1", "message a origin=other"],
  },
  accepted("text/event-stream with parameters", "text/event-stream; charset=utf-8; x=y"),
  accepted("text/event-stream in any case", "Text/Event-Stream"),
  accepted("text/event-stream with another charset, read as UTF-8", "text/event-stream;charset=iso-8859-1"),
  accepted("another type before text/event-stream", "application/json, text/event-stream"),
  accepted("text/event-stream before what is no type", "text/event-stream, x"),
  accepted("text/event-stream before any type", "text/event-stream, */*"),
  accepted("text/event-stream with a comma in a parameter", 'text/event-stream; x="a,b"'),
  accepted("text/event-stream with a type in a parameter", 'text/event-stream; x="a, b/c"'),
  accepted("text/event-stream in two headers' worth", "text/event-stream; a=b, text/event-stream"),
  accepted("text/event-stream before nothing", "text/event-stream,"),
  accepted("text/event-stream before a type of spaces", "text/event-stream, a b/c"),
  refused("another type after text/event-stream", {
    headers: { "content-type": "text/event-stream, application/json" },
  }),
  refused("text/event-streamx", { headers: { "content-type": "text/event-streamx" } }),
  refused("text/plain", { headers: { "content-type": "text/plain" }, then: "end" }),
  refused("no type", { headers: { "content-type": "" }, then: "end" }),
  refused("an x before the type", { headers: { "content-type": "xtext/event-stream" } }),
  ...[201, 204, 206, 400, 401, 404, 429, 500, 502, 503].map((status) =>
    refused(`status ${status}`, { status, then: "end" })
  ),
];
