import { createReadStream } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { headersOf, TOKEN_SPECS } from "./headers.ts";
import { helpOf, type Options, type OptionSpecs, readOptions, UsageError } from "./options.ts";

const specs: OptionSpecs = {
  event: { value: "TYPE", mayBeEmpty: true, help: "The event type" },
  id: { value: "ID", mayBeEmpty: true, help: "An ID of one's own" },
  file: { value: "FILE", help: "The data from a file, not from standard input" },
  lines: { help: "One event for each line of the file or of standard input" },
  ...TOKEN_SPECS,
};

export const publishHelp: string = helpOf(
  "freshet publish URL TOPIC [DATA] [OPTIONS]",
  "Publishes to a hub, and prints the IDs. Without DATA it reads standard input.",
  specs,
);

/** How long the hub may take to answer, in milliseconds. */
const ANSWER_MS = 30_000;

/** `freshet publish`. */
export async function publishCommand(args: readonly string[]): Promise<number> {
  const options = readOptions(specs, args);
  const [url, topic, data, ...others] = options.positionals;
  if (url === undefined || topic === undefined || others.length > 0) {
    throw new UsageError(`publish takes URL TOPIC [DATA]: got ${options.positionals.join(" ") || "none"}`);
  }
  const path = topic.split("/").map(encodeURIComponent).join("/");
  const address = new URL(`publish/${path}`, url.endsWith("/") ? url : url + "/");
  if (data !== undefined) {
    if (options.has("lines") || options.text("file") !== undefined) {
      throw new UsageError("DATA stands for itself: it goes with neither --file nor --lines");
    }
    return await publish(address, options, data);
  }
  const file = options.text("file");
  const input: Readable = file === undefined ? process.stdin : createReadStream(file);
  if (!options.has("lines")) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of input) chunks.push(chunk);
    return await publish(address, options, await new Blob(chunks as Uint8Array<ArrayBuffer>[]).text());
  }
  for await (const line of createInterface({ input, crlfDelay: Infinity })) await publish(address, options, line);
  return 0;
}

async function publish(address: URL, options: Options, data: string): Promise<number> {
  const form = new URLSearchParams({ data });
  for (const name of ["event", "id"]) if (options.text(name) !== undefined) form.set(name, options.text(name)!);
  const headers = headersOf(options);
  headers.set("content-type", "application/x-www-form-urlencoded");
  let response;
  try {
    response = await fetch(address, {
      method: "POST",
      body: form.toString(),
      headers,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch (cause) {
    throw new Error(`Cannot publish to ${address}: ${(cause as Error).message}`, { cause });
  }
  const text = await response.text();
  if (response.status !== 201) throw new Error(`The hub answered ${response.status}: ${text.trim()}`);
  process.stdout.write(JSON.parse(text).id + "\n");
  return 0;
}
