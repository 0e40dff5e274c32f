/**
 * Prints the events of a stream and goes on where it stopped, also after it was started again:
 *
 *     deno run -A examples/tail.ts http://localhost:8080/subscribe/pets pets.last-event-id
 *
 * The ID is saved after its event was handled: a crash between the two prints that event again, and never loses one.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import process from "node:process";
import { connect } from "@freshet/sse/client";

const [url = "http://localhost:8080/subscribe/pets", file = "last-event-id"] = process.argv.slice(2);

const events = connect(url, {
  lastEventId: existsSync(file) ? readFileSync(file, "utf8") : "",
  inactivityTimeout: 30_000,
  onRetry: (_error, delay) => console.error(`lost, back in ${Math.round(delay)} ms`),
  onGap: ({ reason }) => console.log(`(events are missing: ${reason})`),
});
process.once("SIGINT", () => void events.close());

for await (const { type, data } of events) {
  console.log(type === "message" ? data : `${type}: ${data}`);
  save(events.lastEventId);
}
save(events.lastEventId);

/** All of it or nothing: a half-written ID would be another one. */
function save(lastEventId: string): void {
  writeFileSync(`${file}.new`, lastEventId);
  renameSync(`${file}.new`, file);
}
