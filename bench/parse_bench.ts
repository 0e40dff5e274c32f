/** The parser, pushed bytes, beside eventsource-parser with a TextDecoder. */
import process from "node:process";
import { createParser } from "eventsource-parser";
import { EventParser } from "../mod.ts";
import { compare, report, type Result } from "./support/compare.ts";
import { byteLength, shapes } from "./support/streams.ts";

const results: Result[] = [];
const only = process.argv[2] ?? "";
for (const [shape, chunks] of shapes) {
  if (!shape.includes(only)) continue;
  results.push(
    await compare({
      shape,
      work: byteLength(chunks),
      ours() {
        let sum = 0;
        const parser = new EventParser({ onEvent: (event) => sum += event.data.length });
        for (const chunk of chunks) parser.push(chunk);
        return sum;
      },
      peers: {
        "eventsource-parser": () => {
          let sum = 0;
          const decoder = new TextDecoder();
          const parser = createParser({ onEvent: (event) => sum += event.data.length });
          for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }));
          return sum;
        },
      },
    }),
  );
}
report("Parser, pushed bytes", results, (perSecond) => `${(perSecond / 1e6).toFixed(0)} MB/s`);
