/** One source, one client: the progress of a job, streamed with `eventStream`. Run with `deno run -A examples/progress.ts`. */
import { eventStream, parseEvents } from "@freshet/sse";

async function* job() {
  for (let percent = 0; percent <= 100; percent += 25) {
    await new Promise((resolve) => setTimeout(resolve, 10)); // the work
    yield { event: "progress", data: String(percent) };
  }
  yield { event: "done", data: "report.pdf" };
}

/** Give this to `Deno.serve`, `Bun.serve({ fetch })`, or our `serve`. */
function handler(_request: Request): Response {
  return eventStream(job());
}

for await (const { type, data } of parseEvents(handler(new Request("http://localhost/")))) console.log(type, data);
