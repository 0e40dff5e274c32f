/** A program of its own, as test runners take what is uncaught for a failure: prints what it saw, and what was uncaught. */
import process from "node:process";
import { EventSource } from "../../src/client/mod.ts";
import { observeEventSource } from "./observe_event_source.ts";

const uncaught: string[] = [];
process.on("uncaughtException", (error) => uncaught.push(error.message));
const seen = await observeEventSource(EventSource, JSON.parse(process.argv[2]!));
console.log(JSON.stringify({ seen, uncaught }));
