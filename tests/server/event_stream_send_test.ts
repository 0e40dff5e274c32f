import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "node:test";
import { eventStream, type EventStreamOptions, type EventWriter, SseError } from "../../mod.ts";
import { turns } from "../support/test_sink.ts";

const never = new Promise<void>(() => {});

/** Keeps what `onError` is told. */
function told(): { readonly errors: unknown[]; readonly onError: NonNullable<EventStreamOptions["onError"]> } {
  const errors: unknown[] = [];
  return {
    errors,
    onError: (error) => {
      errors.push(error);
      return { event: "error", data: (error as Error).name };
    },
  };
}

describe("A send() of eventStream() that nobody awaits kills no process, and", () => {
  it("fails the stream after what was sent, if more wait than may", async () => {
    const { errors, onError } = told();
    const flood = async ({ send }: EventWriter): Promise<void> => {
      for (let i = 0; i < 1_100; i++) void send({ data: String(i) });
      await turns(3);
    };
    const text = await eventStream(flood, { onError }).text();
    assertEquals(text.split("\n\n").slice(1_022), ["data: 1022", "data: 1023", "event: error\ndata: SseError", ""]);
    assertEquals(errors.map((error) => (error as SseError).code), ["too-many-pending"]);
    const failure = await assertRejects(() => eventStream(flood).text(), SseError);
    assertEquals(failure.code, "too-many-pending");
  });

  it("fails the stream for an event that cannot be encoded", async () => {
    const { errors, onError } = told();
    const source = async ({ send }: EventWriter): Promise<void> => {
      void send({ event: "a\nb" });
      await never;
    };
    assertEquals(await eventStream(source, { onError }).text(), ":\nevent: error\ndata: TypeError\n\n");
    assertEquals(errors.length, 1);
    await assertRejects(() => eventStream(source).text(), TypeError);
  });

  it("tells nobody that the client has left, whom signal and onCancel have told", async () => {
    const { errors, onError } = told();
    const writer = Promise.withResolvers<EventWriter>();
    const reader = eventStream((stream) => {
      writer.resolve(stream);
      return never;
    }, { onError }).body!.getReader();
    await reader.read();
    const { send } = await writer.promise;
    void send({ data: "waits" });
    void send({ data: "waits" });
    await reader.cancel();
    void send({ data: "late" });
    void send({ event: "a\nb" });
    await turns(3);
    assertEquals(errors, []);
    assertEquals((await assertRejects(() => send({ data: "late" }), SseError)).code, "source-failed");
  });

  it("tells onError what comes after the end, and sends nothing", async () => {
    for (const { errors, onError } of [told(), { errors: [], onError: undefined }]) {
      let late!: EventWriter["send"];
      const text = await eventStream(async ({ send }) => {
        late = send;
        await send({ data: "1" });
      }, { onError }).text();
      void late({ data: "2" });
      await turns(3);
      assertEquals(text, ":\ndata: 1\n\n");
      assertEquals(errors.length, onError === undefined ? 0 : 1);
    }
  });

  it("fails a generator that sends", async () => {
    const { errors, onError } = told();
    const response = eventStream(async function* ({ send }) {
      void send({ data: "lost" });
      await turns(3);
      yield { data: "1" };
    }, { onError });
    assertStringIncludes(await response.text(), "event: error");
    assert(errors[0] instanceof SseError);
  });
});

describe("eventStream()'s onError", () => {
  it("is told once of an iterable that cannot begin", async () => {
    const { errors, onError } = told();
    let calls = 0;
    const source = {
      [Symbol.asyncIterator](): never {
        calls++;
        throw new RangeError("mine");
      },
    };
    assertEquals(await eventStream(source, { onError }).text(), ":\nevent: error\ndata: RangeError\n\n");
    assertEquals([calls, errors.length], [1, 1]);
  });

  it("may return no promise", async () => {
    const onError = (): never => Promise.reject(new Error("late")) as never;
    const response = eventStream(() => Promise.reject(new Error("mine")), { onError });
    await assertRejects(() => response.text(), TypeError, "got a promise");
    await turns(2);
  });
});
