import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler, subscriberOf } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";
import { until } from "../support/until.ts";

const identity = (): TransformStream<Uint8Array, Uint8Array> => new TransformStream();

/** What middleware does to a response before it goes on; `isOurs` if its body is still read by nobody else. */
const wraps: ReadonlyArray<readonly [what: string, isOurs: boolean, wrap: (response: Response) => unknown]> = [
  ["nothing", true, (response) => response],
  ["other headers", true, (response) => (response.headers.set("x-mine", "1"), response)],
  ["a reader that was released without reading", true, (response) => {
    response.body!.getReader().releaseLock();
    return response;
  }],
  ["a clone that is sent", false, (response) => response.clone()],
  ["a clone that nobody reads", false, (response) => (response.clone(), response)],
  ["a clone that is read as well", false, (response) => {
    void response.clone().text().catch(() => {});
    return response;
  }],
  ["a clone of a clone", false, (response) => response.clone().clone()],
  ["another response with its body", false, (response) => new Response(response.body, response)],
  ["another response of another response", false, (response) => {
    const other = new Response(response.body, response);
    return new Response(other.body, { headers: other.headers });
  }],
  ["a tee", false, (response) => new Response(response.body!.tee()[0], response)],
  ["a tee whose other half is read", false, (response) => {
    const [one, other] = response.body!.tee();
    void other.pipeTo(new WritableStream()).catch(() => {});
    return new Response(one, response);
  }],
  ["a pipe", false, (response) => new Response(response.body!.pipeThrough(identity()), response)],
  ["two pipes", false, (response) => {
    return new Response(response.body!.pipeThrough(identity()).pipeThrough(identity()), response);
  }],
  ["a body that was begun to read", false, async (response) => {
    const reader = response.body!.getReader();
    const first = await reader.read();
    reader.releaseLock();
    const rest = response.body!;
    return new Response(
      ReadableStream.from((async function* () {
        yield first.value!;
        yield* rest;
      })()),
      response,
    );
  }],
];

describe(`A response on ${runtime} that middleware has made something of streams on, and ends with its client:`, () => {
  for (const [what, isOurs, wrap] of wraps) {
    it(what, { timeout: 30_000 }, async () => {
      await using broker = new Broker({ heartbeat: 20 });
      const handler = createHandler(broker, { topics: "a" });
      await using server = await serve(async (request, info) => {
        const response = await wrap(await handler(request, info)) as Response;
        assertEquals(subscriberOf(response) !== undefined, isOurs);
        return response;
      }, { port: 0 });

      const client = await RawClient.open(server.url);
      await client.until(({ body }) => body.includes("event: checkpoint"));
      for (let i = 0; i < 20; i++) await broker.publish("a", { data: { i, pad: "x".repeat(i * 500) } });
      await client.until(({ events }) => events.length === 20);
      assertEquals(client.events.map(({ data }) => JSON.parse(data).i), Array.from({ length: 20 }, (_, i) => i));
      assertEquals(client.header("content-type"), "text/event-stream");
      client.leave();
      await until(() => broker.stats().subscribers === 0);
    });
  }
});

describe("subscriberOf()", () => {
  for (const [what, isOurs, wrap] of wraps) {
    it(`finds ${isOurs ? "the subscriber" : "nobody"} of a response after ${what}`, async () => {
      await using broker = new Broker();
      const response = await wrap(await createHandler(broker, { topics: "a" })(new Request("http://localhost/")));
      assertEquals(subscriberOf(response as Response)?.topics, isOurs ? ["a"] : undefined);
    });
  }

  it("finds nobody once an adapter has attached its sink", async () => {
    await using broker = new Broker();
    const response = await createHandler(broker, { topics: "a" })(new Request("http://localhost/"));
    subscriberOf(response)!.attach(() => ({ bufferedBytes: 0, write() {}, onceDrained() {}, end() {}, abort() {} }));
    assertEquals(subscriberOf(response), undefined);
  });
});
