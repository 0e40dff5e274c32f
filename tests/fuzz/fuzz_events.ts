import { encodeEvent, type EventFields, type ParsedEvent } from "../../mod.ts";
import { cutter } from "./cutter.ts";
import { Draw } from "./draw.ts";
import { drawEvent } from "./event_drawer.ts";
import { type ForeignParser, foreignParsers, type Read } from "./foreign_parsers.ts";

const encoder = new TextEncoder();

/**
 * Draws events, writes them as one stream, and has parsers of others read it back.
 *
 * @param seed The run's seed.
 * @param batch Which batch of it.
 * @param count How many events.
 * @returns How many of them a client dispatches.
 * @throws {Error} At the first event that a parser reads differently.
 */
export async function fuzzEvents(seed: number, batch: number, count: number): Promise<number> {
  const draw = new Draw(seed, batch);
  const written = Array.from({ length: count }, () => drawEvent(draw));
  const bytes = encoder.encode(written.map(encodeEvent).join(""));
  const next = cutter(draw, bytes.length);
  const chunks: Uint8Array[] = [];
  for (let from = 0; from < bytes.length;) {
    const size = next();
    chunks.push(bytes.subarray(from, from + size));
    from += size;
  }
  for (const parser of foreignParsers) {
    const wanted = expected(written, parser);
    const got = await parser.read(chunks);
    const at = wanted.events.findIndex((event, i) => !isSame(event, got.events[i]));
    if (at === -1 && got.events.length === wanted.events.length && got.retry === wanted.retry) continue;
    throw new Error(
      [
        `${parser.name} reads differently what we write: seed ${seed}, batch ${batch}, event ${at} of those with data`,
        `written: ${JSON.stringify(written.filter(({ data }) => data !== undefined)[at])}`,
        `wanted:  ${JSON.stringify(wanted.events[at])} of ${wanted.events.length}, retry ${wanted.retry}`,
        `got:     ${JSON.stringify(got.events[at])} of ${got.events.length}, retry ${got.retry}`,
      ].map((line) => line.slice(0, 1_000)).join("\n"),
    );
  }
  return written.filter(({ data }) => data !== undefined).length;
}

/** What a client makes of these events: § 9.2.6. */
function expected(written: readonly EventFields[], { tellsIdWithoutData }: ForeignParser): Read {
  const events: ParsedEvent[] = [];
  let lastEventId = "";
  let lastRetry: number | undefined;
  for (const { event, data, id, retry } of written) {
    if (id !== undefined && (data !== undefined || tellsIdWithoutData)) lastEventId = String(id);
    lastRetry = retry ?? lastRetry;
    if (data === undefined) continue;
    // Line ends arrive as LF, lone surrogates as U+FFFD
    events.push({ type: event || "message", data: data.replaceAll(/\r\n?/g, "\n").toWellFormed(), lastEventId });
  }
  return { events, retry: lastRetry };
}

function isSame(a: ParsedEvent, b: ParsedEvent | undefined): boolean {
  return a.type === b?.type && a.data === b.data && a.lastEventId === b.lastEventId;
}
