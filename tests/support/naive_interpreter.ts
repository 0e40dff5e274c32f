import type { ParsedEvent } from "../../mod.ts";

/** What the standard's algorithm makes of a whole stream. */
export interface Interpretation {
  readonly events: ParsedEvent[];
  readonly comments: string[];
  readonly retries: number[];
  readonly lastEventId: string;
}

/**
 * HTML, § 9.2.6, word by word and with no thought of speed: an independent second opinion on our parser. It sees the
 * whole stream at once, splits it by a regular expression, and keeps the standard's buffers as the standard names them.
 */
export function interpret(bytes: Uint8Array, lastEventIdBefore = ""): Interpretation {
  // "Streams must be decoded using the UTF-8 decode algorithm", which strips one leading BOM
  const stream = new TextDecoder().decode(bytes);
  const events: ParsedEvent[] = [];
  const comments: string[] = [];
  const retries: number[] = [];
  let data = "";
  let eventType = "";
  let lastEventIdBuffer = lastEventIdBefore;
  let lastEventIdString = lastEventIdBefore;

  const lines = stream.split(/\r\n|\n|\r/);
  lines.pop(); // what follows the last line end is not a line
  for (const line of lines) {
    if (line === "") {
      dispatch();
    } else if (line.startsWith(":")) {
      comments.push(line.replace(/^: ?/, ""));
    } else if (line.includes(":")) {
      const [, field, value] = /^([^:]*): ?(.*)$/su.exec(line)!;
      processField(field!, value!);
    } else {
      processField(line, "");
    }
  }
  return { events, comments, retries, lastEventId: lastEventIdString };

  function processField(field: string, value: string): void {
    if (field === "event") eventType = value;
    else if (field === "data") data += value + "\n";
    else if (field === "id") {
      if (!value.includes("\u0000")) lastEventIdBuffer = value;
    } else if (field === "retry") {
      if (/^[0-9]+$/.test(value)) retries.push(parseInt(value, 10));
    }
  }

  function dispatch(): void {
    lastEventIdString = lastEventIdBuffer;
    if (data === "") {
      eventType = "";
      return;
    }
    if (data.endsWith("\n")) data = data.slice(0, -1);
    events.push({ type: eventType || "message", data, lastEventId: lastEventIdString });
    data = "";
    eventType = "";
  }
}
