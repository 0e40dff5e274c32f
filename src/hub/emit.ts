import type { Publication } from "../broker/broker_options.ts";
import { EventParser } from "../wire/parse.ts";

/**
 * Reads a payload that is event stream text: one event or several, with `id`
 * and `retry` lines. Its last blank line may be missing.
 *
 * @throws {TypeError} If it holds no event.
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
  parser.push(payload);
  parser.push("\n\n");
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
}
