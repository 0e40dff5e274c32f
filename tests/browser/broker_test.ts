import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { bundle } from "../support/bundle.ts";
import { launchChromium, noChromium } from "../support/chromium.ts";
import { runtime } from "../support/runtime.ts";

/** Without a heartbeat: what comes, comes because it was published. */
const script = `import { Broker, createHandler, eventStream, parseEvents, withTopic } from "core";

const broker = new Broker({ heartbeat: 0 });
const handler = createHandler(broker, { topics: "pets/*", map: withTopic });

async function run() {
  const seen = [];
  const loop = broker.subscribe("pets/*")[Symbol.asyncIterator]();
  const streamed = parseEvents(await handler(new Request("http://localhost/")));
  const [first, second] = [loop.next(), streamed.next()];
  const id = await broker.publish("pets/dogs", { event: "bark", data: { loud: true } });
  seen.push((await first).value.data, (await second).value.data);
  await broker.publish("pets/cats", { data: "meow" });
  await streamed.return();

  const request = new Request("http://localhost/", { headers: { "last-event-id": id } });
  const replayed = parseEvents(await handler(request));
  seen.push(JSON.parse((await replayed.next()).value.data).data);
  await replayed.return();
  await loop.return();

  seen.push(await eventStream(async function* () { yield { data: [1, 2] }; }).text());
  seen.push(broker.stats().subscribers, broker.stats().errors);
  await broker.close();
  return seen;
}
globalThis.seen = run();`;

// What runs in the browser is the same whatever runs the test
if (runtime === "deno") {
  describe("A broker in a page of Chromium", { skip: noChromium }, () => {
    it("publishes, streams, replays, and forgets who leaves", { timeout: 60_000 }, async () => {
      const browser = await launchChromium();
      try {
        const page = await browser.newPage();
        const complaints: string[] = [];
        page.on("pageerror", (error) => complaints.push(error.message));
        await page.addScriptTag({ content: bundle(script), type: "module" });
        await page.waitForFunction("globalThis.seen !== undefined"); // a module runs in its own time
        assertEquals(await page.evaluate("globalThis.seen"), [
          '{"loud":true}',
          '{"topics":["pets/dogs"],"data":"{\\"loud\\":true}"}',
          "meow",
          ":\ndata: [1,2]\n\n",
          0,
          0,
        ]);
        assertEquals(complaints, []);
      } finally {
        await browser.close();
      }
    });
  });
}
