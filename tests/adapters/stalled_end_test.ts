import { assert } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler, type SubscribeOptions, type Subscriber } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";
import { turns } from "../support/test_sink.ts";

/** More than the system holds for a connection. */
const BUDGET = 16 << 20;

/** A client stalls, its subscriber is ended, and then it reads what comes. */
async function endStalled(
  options: Partial<SubscribeOptions>,
  end: (broker: Broker, subscriber: Subscriber) => unknown,
): Promise<void> {
  const opened = Promise.withResolvers<Subscriber>();
  const broker = new Broker({ heartbeat: 0 });
  const handler = createHandler(broker, {
    topics: "a",
    maxBufferedBytes: BUDGET,
    ...options,
    onOpen: (subscriber) => opened.resolve(subscriber),
  });
  const server = await serve(handler, { port: 0 });
  const client = await RawClient.open(server.url);
  await client.until(({ body }) => body.includes("id: "));
  client.socket.pause();
  const subscriber = await opened.promise;
  const data = "x".repeat(1 << 18);
  const isFull = (): boolean => subscriber.stats().bufferedBytes > BUDGET / 2;
  for (let i = 0; i < 400 && broker.stats().subscribers > 0 && !isFull(); i++) {
    await broker.publish("a", { data });
    await turns(1);
  }
  await end(broker, subscriber);
  await subscriber.closed;
  client.socket.resume();
  await client.until(({ closed }) => closed);
  assert(!client.body.endsWith("\r\n0\r\n\r\n"), "it was sent all that it had not taken");
  await server.close();
  await broker.close();
}

describe(`serve() on ${runtime} breaks the connection off of a client that has stalled, and`, () => {
  const timeout = 60_000;
  it("is kicked", { timeout }, () => endStalled({}, (_, subscriber) => subscriber.close("kicked")));

  it("overflows", { timeout }, () => endStalled({ overflow: "close", maxBufferedBytes: 4 << 20 }, () => {}));

  it("is drained by its broker", { timeout }, () => endStalled({}, (broker) => broker.close()));
});
