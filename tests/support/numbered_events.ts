import type { Broker, Delivery, Gap, Subscriber } from "../../mod.ts";
import type { TestSink } from "./test_sink.ts";

/** Publishes events whose data are numbers, in one turn. Their IDs. */
export async function publishAll(broker: Broker, topic: string, count: number, from = 0): Promise<string[]> {
  return await Promise.all(Array.from({ length: count }, (_, i) => broker.publish(topic, { data: String(from + i) })));
}

/** The data of such events. */
export const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => String(from + i));

/** Reads so many deliveries, then leaves. */
export async function take(subscriber: Subscriber, count: number): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  for await (const delivery of subscriber) if (deliveries.push(delivery) === count) break;
  return deliveries;
}

/** The gaps that a sink was told of. */
export const gapOf = (sink: TestSink): Gap[] =>
  sink.events.filter(({ type }) => type === "gap").map(({ data }) => JSON.parse(data));
