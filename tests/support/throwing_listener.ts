/**
 * A program of its own, as test runners take what is uncaught for a failure: prints what it saw and what was uncaught. It
 * ends by itself, as nothing is left behind.
 */
import process from "node:process";
import { connect, EventSource } from "../../src/client/mod.ts";
import { observeEventSource } from "./observe_event_source.ts";

const uncaught: string[] = [];
process.on("uncaughtException", (error) => uncaught.push(error.message));
const observation = JSON.parse(process.argv[2]!);
console.log(JSON.stringify({ seen: await see(), uncaught }));

async function see(): Promise<string[]> {
  if (observation.count !== undefined) return await observeEventSource(EventSource, observation);
  const seen: string[] = [];
  const connection = connect(observation.url);
  connection.on("message", ({ data }) => {
    throw new Error(`thrown for ${data}`);
  });
  connection.on("message", ({ data }) => {
    seen.push(data);
    if (data === "end") void connection.close();
  });
  await connection.closed;
  await new Promise((resolve) => setTimeout(resolve));
  return seen;
}
