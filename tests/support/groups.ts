/** Which tests run together. The folder of a test file says it: what needs no more than Node and npm is the suite. */
import { readdirSync } from "node:fs";

/** Tests that run together, and how long they may take. */
export interface Group {
  /** What it needs, beside Node and npm. */
  readonly needs: string;
  readonly has: (file: string) => boolean;
  /** The most that it may take, on all runtimes together: three times what it should on two quiet cores. */
  readonly minutes: number;
  readonly runtimes: readonly string[];
}

const RUNTIMES = ["deno", "bun", "node"];

const isEngine = (file: string): boolean => /^stores\/(?:redis|nats|postgres)\//.test(file);
/** Other people's servers, frameworks and clients. */
const isFramework = (file: string): boolean => /^(?:frameworks|compat)\//.test(file);
const isBrowser = (file: string): boolean => file.startsWith("browser/");
const isCore = (file: string): boolean =>
  /^(?:broker|client|server|time|wire)\/|^stores\/memory_test|^\w+_test\.ts$/.test(file);
/** What takes seconds by design, or what more than the core takes part in. */
const isLong = (file: string): boolean => /^(?:examples|pack)_test|chaos|leaks|bundle/.test(file);

/** The groups, in the order in which `all` runs them. */
export const groups: Readonly<Record<string, Group>> = {
  suite: {
    needs: "nothing",
    has: (file) => !isEngine(file) && !isFramework(file) && !isBrowser(file),
    minutes: 18,
    runtimes: RUNTIMES,
  },
  engines: {
    needs: "redis-server, nats-server and PostgreSQL",
    has: isEngine,
    minutes: 15,
    runtimes: RUNTIMES,
  },
  frameworks: {
    needs: "nginx, Apache and packages of others",
    has: isFramework,
    minutes: 6,
    runtimes: RUNTIMES,
  },
  browser: {
    needs: "Chromium",
    has: isBrowser,
    minutes: 6,
    runtimes: RUNTIMES,
  },
  quick: {
    needs: "nothing; the core and the client, on Deno alone",
    has: (file) => isCore(file) && !isLong(file),
    minutes: 1.5,
    runtimes: ["deno"],
  },
};

/** The test files of a group. */
export function filesOf({ has }: Group): string[] {
  return readdirSync("tests", { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith("_test.ts") && has(file))
    .sort()
    .map((file) => `./tests/${file}`);
}
