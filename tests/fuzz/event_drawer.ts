import type { EventFields } from "../../mod.ts";
import type { Draw } from "./draw.ts";

/** What any text may hold; what `event` and `id` must not is taken out there. */
const PIECES = ["a", "b7", " ", "  ", ":", "\n", "\r", "\r\n", "\0", "\t", "ü", "世界", "🌍", "\u{10ffff}", "\ufeff"]
  .concat(["\u0085", "\u2028", "data: x", "id: 1", "event:", "retry: 5", ": ", "\ud83c", "\udf0d", "\ufffd"]);
const LONG_TEXT_PIECES = 600;

/** Draws an event that `encodeEvent` takes. */
export function drawEvent(draw: Draw): EventFields {
  const fields = draw.below(64);
  return {
    ...(fields & 1 && { comment: drawText(draw) }),
    ...(fields & 2 && { event: drawText(draw).replaceAll(/[\r\n]/g, "").toWellFormed() }),
    ...(fields & 4 && { id: drawId(draw) }),
    ...((fields & 24) === 24 && { retry: drawRetry(draw) }),
    // Most have data
    ...((fields & 48) !== 48 && { data: drawText(draw) }),
  };
}

function drawText(draw: Draw): string {
  let text = "";
  const pieces = draw.below(500) === 0 ? LONG_TEXT_PIECES : draw.below(8);
  for (let i = 0; i < pieces; i++) text += draw.pick(PIECES);
  return text;
}

function drawId(draw: Draw): string | number {
  if (draw.below(4) > 0) return drawText(draw).replaceAll(/[\r\n\0]/g, "").toWellFormed();
  return draw.pick([0, 1, -1, 0.5, 1e21, 2 ** 53, -0]);
}

function drawRetry(draw: Draw): number {
  return draw.below(8) === 0 ? Number.MAX_SAFE_INTEGER : draw.below(10_000);
}
