import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler, eventStream } from "../../mod.ts";
import { connect } from "../../src/client/mod.ts";
import { createHub } from "../../src/hub/hub.ts";
import { AppendQueue } from "../../src/stores/log/append_queue.ts";
import { RawClient } from "../support/raw_client.ts";
import { serve } from "../support/runtime.ts";
import { ScriptedServer } from "../support/scripted_server.ts";
import { TOO_LONG, whileTimersFire } from "../support/too_long.ts";

/** The text that a stream has sent after a while. */
async function textOf(response: Response): Promise<string> {
  const reader = response.body!.getReader();
  let text = "";
  void (async () => {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      text += new TextDecoder().decode(chunk.value);
    }
  })();
  await whileTimersFire();
  await reader.cancel();
  return text;
}

for (const ms of TOO_LONG) {
  describe(`A duration of ${ms} ms`, { timeout: 30_000 }, () => {
    it("as a broker's heartbeat sends nothing but the beginning", async () => {
      await using broker = new Broker({ heartbeat: ms, writeTimeout: ms });
      const response = await createHandler(broker, { topics: "a" })(new Request("http://localhost/"));
      assertEquals((await textOf(response)).match(/id: /g)?.length, 1); // a comment before it, if the store was waited for
    });

    it("as a broker's writeTimeout ends nobody", async () => {
      await using broker = new Broker({ heartbeat: 1, writeTimeout: ms });
      const subscriber = broker.subscribe("a", { maxBufferedBytes: 10 });
      subscriber.attach(() => ({ bufferedBytes: 100, write() {}, onceDrained() {}, end() {}, abort() {} }));
      for (let i = 0; i < 3; i++) await broker.publish("a", { data: "held" });
      await whileTimersFire();
      assertEquals(broker.stats().subscribers, 1);
    });

    it("as the heartbeat of an eventStream sends nothing but the beginning", async () => {
      const response = eventStream(() => new Promise(() => {}), { heartbeat: ms });
      assertEquals((await textOf(response)).match(/^:$/gm)?.length, 1);
    });

    it("as a server's closeTimeout cuts nothing", async () => {
      const ended = Promise.withResolvers<void>();
      const server = await serve(
        () =>
          eventStream(async ({ send }) => {
            await send({ data: "first" });
            await ended.promise;
            await send({ data: "last" });
          }),
        { port: 0, closeTimeout: ms },
      );
      const client = await RawClient.open(server.url);
      await client.until(({ body }) => body.includes("first"));
      const closed = server.close();
      await whileTimersFire();
      assertEquals(client.closed, false);
      ended.resolve();
      await client.until(({ body }) => body.includes("last"));
      client.leave();
      await closed;
    });

    it("as the time of a hub's draining ends nobody but the first", async () => {
      await using broker = new Broker();
      await using hub = createHub({ broker, anonymous: ["**"] });
      for (let i = 0; i < 4; i++) {
        const response = await hub.control(new Request("http://localhost/subscribe/a"), { remoteAddress: "127.0.0.1" });
        void response.body!.getReader().read();
      }
      assertEquals(broker.stats().subscribers, 4);
      void hub.drain(ms);
      await whileTimersFire();
      assertEquals(broker.stats().subscribers, 3);
    });

    it("as a client's inactivityTimeout and backoff breaks nothing off", async () => {
      await using server = await ScriptedServer.start([{ chunks: ["data: a\n\n"], then: "stay" }]);
      const events = connect(server.url, { inactivityTimeout: ms, backoff: { initial: ms, max: ms } });
      const loop = events[Symbol.asyncIterator]();
      assertEquals((await loop.next()).value?.data, "a");
      const next = loop.next();
      await whileTimersFire();
      assertEquals(server.requests.length, 1);
      events.close();
      await next;
    });

    it("as an engine's timeout lets no publish fail", async () => {
      const answer = Promise.withResolvers<void>();
      const queue = new AppendQueue("engine", ms, { underWay: 1, events: 10 }, async () => {
        await answer.promise;
        return [{ id: "1" }];
      });
      const results = queue.append([{ topics: ["a"], data: "x" }]);
      await whileTimersFire();
      answer.resolve();
      assertEquals("error" in (await results)[0]!, false);
    });
  });
}
