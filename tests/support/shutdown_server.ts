/** Serves, is read by clients of its own, closes, and must then end by itself: nothing may be left that keeps it. */
import { Broker, createHandler, eventStream } from "../../mod.ts";
import { RawClient } from "./raw_client.ts";
import { serve } from "./runtime.ts";

const broker = new Broker();
const subscribe = createHandler(broker, { topics: "a" });
const server = await serve((request, info) => {
  if (!request.url.endsWith("/endless")) return subscribe(request, info);
  return eventStream(async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
}, { port: 0, closeTimeout: 200 });
const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(server.url)));
await Promise.all(clients.map((client) => client.until(({ body }) => body.includes("\n\n"))));
await broker.publish("a", { data: "1" });
await Promise.all(clients.map((client) => client.until(({ events }) => events.length === 1)));
const endless = await RawClient.open(server.url, "GET /endless HTTP/1.1");
await endless.until(({ body }) => body.includes(":"));
await server.close();
await broker.close();
await endless.until(({ closed }) => closed);
const told = clients.filter(({ events }) =>
  events.some(({ type, data }) => type === "close" && data.includes("drain"))
);
for (const client of clients) client.leave();
console.log(`told ${told.length}`);
