import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { isEventStream, notAnEventStream } from "../../src/wire/event_stream_response.ts";

const of = (type: string | undefined, status = 200): Response =>
  new Response(new Uint8Array(), { status, headers: type === undefined ? {} : { "content-type": type } });

describe("isEventStream()", () => {
  for (
    const [type, expected] of [
      ["text/event-stream", true],
      ["TEXT/Event-Stream", true],
      ["text/event-stream;charset=utf-8", true],
      ["text/event-stream ; charset=utf-8", true],
      ["text/event-stream; charset=latin1", true],
      ["text/html, text/event-stream", true],
      ["text/event-stream, ;a/b", true],
      ['text/event-stream; x="a, text/html"', true],
      ["text/event-stream, text/html", false],
      ["xtext/event-stream", false],
      ["application/text/event-stream", false],
      ["text/event-streams", false],
      ["text/event-stream charset=utf-8", false],
      ["text/event", false],
      ["", false],
      [undefined, false],
    ] as const
  ) {
    it(`${expected ? "takes" : "refuses"} ${type === undefined ? "no type" : `${JSON.stringify(type)}`}`, () => {
      assertEquals(isEventStream(of(type)), expected);
    });
  }

  it("refuses every status but 200", () => {
    for (const status of [201, 204, 404, 503]) {
      const body = status === 204 ? null : "";
      assertEquals(
        isEventStream(new Response(body, { status, headers: { "content-type": "text/event-stream" } })),
        false,
      );
    }
  });
});

describe("notAnEventStream()", () => {
  it("says what the response was", () => {
    const ends = (response: Response, end: string): void => {
      const message = notAnEventStream(response);
      assertEquals(message.slice(message.indexOf("got")), end);
    };
    ends(of("text/html", 404), "got status 404, type text/html");
    ends(of(undefined), "got status 200, type none");
    ends(
      new Response(null, { headers: { "content-type": "text/event-stream" } }),
      "got status 200, type text/event-stream, no body",
    );
  });
});
