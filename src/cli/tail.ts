import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import process from "node:process";
import { connect } from "../client/connect.ts";
import { ResponseError } from "../client/response_error.ts";
import { headersOf, TOKEN_SPECS } from "./headers.ts";
import { helpOf, type OptionSpecs, readOptions, UsageError } from "./options.ts";

const specs: OptionSpecs = {
  json: { help: "One JSON object a line: type, data, lastEventId" },
  types: { value: "TYPE,…", help: "Only events of these types" },
  "last-event-id": { value: "ID", mayBeEmpty: true, help: "Resume after this event" },
  save: { value: "FILE", help: "Keep the last event ID in a file, and resume from it" },
  once: { help: "End with the stream, do not connect again" },
  ...TOKEN_SPECS,
};

export const tailHelp: string = helpOf("freshet tail URL [OPTIONS]", "Prints events as they come.", specs);

/** `freshet tail`: prints until Ctrl-C, or until the server ends it for good. */
export async function tailCommand(args: readonly string[]): Promise<number> {
  const options = readOptions(specs, args);
  const [url, ...others] = options.positionals;
  if (url === undefined || others.length > 0) {
    throw new UsageError(`tail takes one URL: got ${options.positionals.length}`);
  }
  const file = options.text("save");
  const types = options.text("types")?.split(",").map((type) => type.trim());
  const saved = file !== undefined && existsSync(file) ? readFileSync(file, "utf8") : "";
  const warn = (text: string): void => void process.stderr.write(`freshet: ${text}\n`);
  const events = connect(url, {
    headers: headersOf(options),
    lastEventId: options.text("last-event-id") ?? saved,
    reconnect: !options.has("once"),
    onRetry: (error, delay) => warn(`${(error as Error).message}; again in ${Math.round(delay)} ms`),
  });
  const stop = (): void => void events.close();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  const bold = process.stdout.isTTY ? (text: string) => `\x1b[1m${text}\x1b[0m` : (text: string) => text;
  try {
    for await (const event of events) {
      const { type, data } = event;
      if (types === undefined || types.includes(type)) {
        const text = options.has("json") ? JSON.stringify(event) : type === "message" ? data : `${bold(type)}: ${data}`;
        if (!process.stdout.write(text + "\n")) await new Promise((resolve) => process.stdout.once("drain", resolve));
      }
      if (file !== undefined) save(file, events.lastEventId);
    }
  } catch (error) {
    if (error instanceof ResponseError && error.body !== "") warn(error.body.trim());
    throw error instanceof TypeError ? new Error(error.message) : error;
  } finally {
    if (file !== undefined) save(file, events.lastEventId);
  }
  return 0;
}

/** All of it or nothing: a half-written ID would be another one. */
function save(file: string, lastEventId: string): void {
  writeFileSync(`${file}.new`, lastEventId);
  renameSync(`${file}.new`, file);
}
