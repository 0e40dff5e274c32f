import type { EventFields } from "../wire/event.ts";
import { eventStream } from "../server/event_stream.ts";
import { type Numbers, overview, WATCHED } from "./status.ts";

/** How many connections, and how many topics, the page is told of. */
const MAX_ROWS = 200;
/** How many of the newest events it is told of at first. */
const NEWEST = 50;
/** How much of an event's data, in UTF-16 code units. */
const MAX_DATA = 2_000;
/** Events that may wait for a page that reads slowly: the newest are shown, so the oldest may go. */
const MAX_BUFFERED = 65_536;

/** The admin page's own event stream: `overview` once a second, `published` for each event. */
export function adminEvents(numbers: Numbers): Response {
  return eventStream(async (stream) => {
    const { broker, sampler } = numbers;
    const subscriber = broker.subscribe(WATCHED, {
      start: { last: NEWEST },
      signal: stream.signal,
      overflow: "drop-oldest",
      maxBufferedBytes: MAX_BUFFERED,
    });
    numbers.watchers++;
    subscriber.onceClosed(() => numbers.watchers--);
    const published = (async () => {
      for await (const { id, topics, type, data } of subscriber) {
        if (topics.length === 0) continue; // a gap of its own
        await stream.send(event("published", { id, topics, type, data: data.slice(0, MAX_DATA) }));
      }
    })();
    const seconds = (async () => {
      do {
        await stream.send(event("overview", overview(numbers, MAX_ROWS)));
      } while (await sampler.next() && !stream.signal.aborted && !numbers.draining);
      await subscriber.close("left");
    })();
    await Promise.all([published, seconds]);
  });
}

function event(type: string, data: unknown): EventFields {
  return { event: type, data: JSON.stringify(data) };
}
