import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import { serve } from "../support/runtime.ts";

describe("createHandler(): an event larger than a client's budget", () => {
  // The kernel takes one of 1,100,000 bytes whole: it is larger than the budget, and gone at once
  for (const overflow of ["replay", "close", "drop-oldest", "conflate"] as const) {
    it(`reaches a healthy client, and so does what follows it: ${overflow}`, async () => {
      const errors: unknown[] = [];
      await using broker = new Broker({ onError: (error) => errors.push(error) });
      await using server = await serve(createHandler(broker, { topics: "a", overflow }), { port: 0 });
      const client = await RawClient.open(server.url);
      await client.until(({ body }) => body.includes("id: "));
      const large = "x".repeat(3 * 1_048_576);
      await broker.publish("a", { data: "before" });
      await client.until(({ events }) => events.length === 1);
      await broker.publish("a", { data: large });
      await client.until(({ events }) => events.length === 2);
      for (let i = 0; i < 20; i++) await broker.publish("a", { data: i, event: `after-${i}` });
      await client.until(({ events }) => events.length === 22);
      assertEquals(client.events.slice(0, 2).map(({ data }) => data.length), [6, large.length]);
      assertEquals(client.events.slice(2).map(({ type }) => type), Array.from({ length: 20 }, (_, i) => `after-${i}`));
      assertEquals(errors, []);
      client.leave();
    });

    it(`reaches it when it is published in one turn with others, twice: ${overflow}`, async () => {
      const errors: unknown[] = [];
      await using broker = new Broker({ onError: (error) => errors.push(error) });
      await using server = await serve(createHandler(broker, { topics: "a", overflow }), { port: 0 });
      const client = await RawClient.open(server.url);
      await client.until(({ body }) => body.includes("id: "));
      const sizes = [1, 1_100_000, 1, 2, 1_100_000];
      const publish = (): Promise<unknown> =>
        Promise.all(sizes.map((size, i) => broker.publish(`a`, { data: "x".repeat(size), event: `${i}` })));
      await publish();

      await client.until(({ events }) => events.some(({ type }) => type === "4" || type === "close"));
      if (overflow === "replay") {
        await publish();
        await client.until(({ events }) => events.length === 10);
        assertEquals(client.events.map(({ data }) => data.length), [...sizes, ...sizes]);
      }
      assertEquals(errors, []);
      client.leave();
    });
  }
});
