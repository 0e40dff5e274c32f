import process from "node:process";
import { demoCommand, demoHelp } from "./demo.ts";
import { UsageError } from "./options.ts";
import { publishCommand, publishHelp } from "./publish.ts";
import { serveCommand, serveHelp } from "./serve.ts";
import { tailCommand, tailHelp } from "./tail.ts";
import { tokenCommand, tokenHelp } from "./token.ts";

const commands: Readonly<Record<string, readonly [run: (args: readonly string[]) => Promise<number>, help: string]>> = {
  serve: [serveCommand, serveHelp],
  demo: [demoCommand, demoHelp],
  tail: [tailCommand, tailHelp],
  publish: [publishCommand, publishHelp],
  token: [tokenCommand, tokenHelp],
};

const HELP = `freshet: Server-Sent Events from the command line

  freshet serve                       Runs the hub; --dev for this machine only
  freshet demo                        Runs a stream to test clients against, faults and all
  freshet tail URL                    Prints events as they come
  freshet publish URL TOPIC [DATA]    Publishes to a hub
  freshet token                       Makes and explains tokens

freshet COMMAND --help says more. Exit codes: 0, 1 for a failure, 2 for wrong usage.
`;

/**
 * Runs a command line.
 *
 * @param args What follows the program's name.
 * @returns The exit code: 0, 1 for a failure, 2 for wrong usage.
 */
export async function run(args: readonly string[]): Promise<number> {
  const [name = "", ...rest] = args;
  const command = commands[name];
  if (command === undefined) {
    if (name === "--help" || name === "-h" || name === "help") {
      process.stdout.write(HELP);
      return 0;
    }
    return usage(`the command must be one of ${Object.keys(commands).join(", ")}: got ${name || "none"}`);
  }
  const [runCommand, help] = command;
  if (rest.includes("--help") || rest.includes("-h")) {
    process.stdout.write(help);
    return 0;
  }
  try {
    return await runCommand(rest);
  } catch (error) {
    // What the hub and its parts refuse was an option here
    if (error instanceof UsageError || error instanceof TypeError || error instanceof RangeError) {
      return usage(error.message, name);
    }
    process.stderr.write(`freshet: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

function usage(why: string, command?: string): number {
  process.stderr.write(`freshet: ${why}\nSee freshet ${command === undefined ? "" : `${command} `}--help\n`);
  return 2;
}
