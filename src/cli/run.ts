import process from "node:process";
import { parseArgs } from "node:util";
import { serveHub } from "./serve.ts";

const HELP = `freshet: a hub for Server-Sent Events

Usage: freshet serve --dev [--bind ADDRESS:PORT]

  serve   Run the hub
    --dev                 Without tokens: only for programs and pages of this machine
    --bind ADDRESS:PORT   Where to listen (127.0.0.1:8080); a loopback address, :0 for any free port
    --port PORT           The same address with another port
  --help, --version
`;

/**
 * Runs a command line.
 *
 * @param args What follows the program's name.
 * @returns The exit code: 0, 1 for a failure, 2 for wrong usage.
 */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        dev: { type: "boolean" },
        bind: { type: "string" },
        port: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) {
      process.stdout.write(HELP);
      return 0;
    }
    const [command, ...rest] = positionals;
    if (command !== "serve" || rest.length > 0) {
      return usage(`the command must be "serve": got ${positionals.join(" ") || "none"}`);
    }
    if (!values.dev) return usage("serve runs with --dev only, as there are no tokens yet");
    return await serveHub(addressOf(values.bind ?? "127.0.0.1:8080", values.port));
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return usage(error.message);
    process.stderr.write(`freshet: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

function addressOf(bind: string, port: string | undefined): { hostname: string; port: number } {
  const [, hostname = "", bound = ""] = /^(.*):([0-9]+)$/.exec(bind) ?? [];
  if (hostname === "") throw new TypeError(`--bind must be ADDRESS:PORT: got ${bind}`);
  const number = Number(port ?? bound);
  if (!/^[0-9]+$/.test(port ?? bound) || number > 65_535) {
    throw new RangeError(`The port must be 0 to 65535: got ${port ?? bound}`);
  }
  return { hostname: hostname.replace(/^\[(.*)\]$/, "$1"), port: number };
}

function usage(why: string): number {
  process.stderr.write(`freshet: ${why}\nSee freshet --help\n`);
  return 2;
}
