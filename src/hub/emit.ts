import type { Publication } from "../broker/broker_options.ts";
import { EventParser } from "../wire/parse.ts";

/** How many events one payload may hold. */
const MAX_EVENTS = 1_000;
/** How much is read before the events are counted, in UTF-16 units: what is too much is not kept first. */
const STEP_UNITS = 4_096;

/**
 * Reads a payload that is event stream text: one event or several, with `id`
 * and `retry` lines. Its last blank line may be missing.
 *
 * @throws {TypeError} If it holds no event.
 * @throws {RangeError} If it holds too many.
 */
export function publicationsOf(payload: string): Publication[] {
  const publications: { event: string | undefined; data: string; id: string | undefined; retry: number | undefined }[] =
    [];
  let lastId = "";
  let retry: number | undefined;
  const parser = new EventParser({
    onEvent({ type, data, lastEventId }) {
      const id = lastEventId === lastId ? undefined : lastEventId;
      lastId = lastEventId;
      publications.push({ event: type === "message" ? undefined : type, data, id, retry });
      retry = undefined;
    },
    onRetry: (time) => retry = time,
  });
  for (let at = 0; at < payload.length; at += STEP_UNITS) {
    parser.push(payload.slice(at, at + STEP_UNITS));
    checkCount();
  }
  parser.push("\n\n");
  checkCount();
  if (publications.length === 0) {
    const [first = ""] = payload.split(/\r\n?|\n/, 1);
    const line = first.slice(0, 80);
    throw new TypeError(
      `Cannot emit as the payload holds no event: got ${JSON.stringify(line)}, expected ${
        JSON.stringify(`data: ${line}\n\n`)
      }`,
    );
  }
  const last = publications.at(-1)!;
  last.retry ??= retry; // a line after the last event
  return publications;

  function checkCount(): void {
    if (publications.length > MAX_EVENTS) {
      throw new RangeError(`Cannot emit as the payload must hold at most ${MAX_EVENTS} events: got more`);
    }
  }
}
