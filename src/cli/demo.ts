import { readFileSync } from "node:fs";
import process from "node:process";
import { createDemo } from "../hub/demo.ts";
import { addressOf, listening, nativeServe } from "./address.ts";
import { helpOf, type OptionSpecs, readOptions, UsageError } from "./options.ts";
import { untilStopped } from "./signals.ts";

const specs: OptionSpecs = {
  bind: { value: "ADDRESS:PORT", help: "Where to listen (127.0.0.1, and PORT of the environment or 8080)" },
  interval: { value: "MS", number: true, help: "Milliseconds between two events (1000)" },
  exclusive: { help: "Resume after the last event ID, not with it" },
};

export const demoHelp: string = helpOf(
  "freshet demo [OPTIONS]",
  "Runs /stream and /status to test clients against. PORT, AUTH_TOKEN_FILE and AUTH_TOKEN of the environment are\n" +
    "heeded. A request may ask for count=N, interval=MS, and faults: drop=N, stall=MS, status=503, crlf, cr, bom,\nsplit=BYTES.",
  specs,
);

/** `freshet demo`: runs until it is told to stop. */
export async function demoCommand(args: readonly string[]): Promise<number> {
  const options = readOptions(specs, args);
  if (options.positionals.length > 0) throw new UsageError(`demo takes options only: got ${options.positionals[0]}`);
  const address = addressOf("bind", options.text("bind") ?? `127.0.0.1:${process.env["PORT"] ?? "8080"}`);
  const handler = createDemo({
    token: tokenOf(process.env),
    interval: options.number("interval"),
    exclusive: options.has("exclusive"),
  });
  const serve = listening(await nativeServe());
  const server = await serve(handler, { ...address, closeTimeout: 100 });
  process.stdout.write(
    `The demo listens on ${server.url}\n\n  curl -N '${server.url}stream?count=3&interval=200'\n\nCtrl-C stops it.\n`,
  );
  await untilStopped();
  await server.close();
  return 0;
}

/** The file first; one that cannot be read is warned of. */
function tokenOf(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const file = env["AUTH_TOKEN_FILE"];
  if (file !== undefined && file !== "") {
    try {
      return readFileSync(file, "utf8").trim();
    } catch (error) {
      process.stderr.write(`freshet: AUTH_TOKEN_FILE cannot be read: ${(error as Error).message}\n`);
    }
  }
  return env["AUTH_TOKEN"] || undefined;
}
