import { readFileSync } from "node:fs";
import { checkName, DEFAULT_NAME, limitsOf } from "../log/engine_options.ts";

/** Options for `SqliteReplayStore`. Of several limits, the first that is reached removes. */
export interface SqliteReplayStoreOptions {
  /**
   * What separates this log from others in the same file: 1 to 48 of `a-z`, `0-9`, `_` and `-`.
   *
   * @default {"freshet"}
   */
  readonly name?: string | undefined;
  /**
   * How many events to keep.
   *
   * @default {Infinity}
   */
  readonly maxEvents?: number | undefined;
  /**
   * How long to keep an event, in milliseconds. One that is older is given to nobody.
   *
   * @default {Infinity}
   */
  readonly maxAge?: number | undefined;
  /**
   * How many bytes of events to keep; the file is larger by SQLite's own pages and its write-ahead log.
   *
   * @default {1_073_741_824}
   */
  readonly maxBytes?: number | undefined;
  /**
   * `"none"` uses the file to carry events between processes only: it holds the
   * last ten seconds or 8 MiB of them, so that each process can fetch them.
   */
  readonly retention?: "none" | undefined;
  /**
   * What an event survives once `publish` has resolved: `"process"` the end of the process however it ends, `"disk"` that
   * of the machine too, at the price of an `fsync` for each batch (`synchronous=FULL`).
   *
   * @default {"process"}
   */
  readonly durability?: "process" | "disk" | undefined;
  /**
   * What tells this start of the machine from others: a power cut may take
   * what was committed last, with `durability: "process"`. If the file was
   * not closed, and the machine has been started since, positions go on far
   * above, so that none is given out twice. Where it is `""`, that the file was
   * not closed is enough, also while another process has it open.
   *
   * @default what Linux knows as the boot's ID; `""` elsewhere, and where Deno may not read it
   */
  readonly boot?: string | undefined;
  /**
   * How often to look for events of other processes, in milliseconds.
   *
   * @default {50}
   */
  readonly pollInterval?: number | undefined;
}

/** The options, each with its value. */
export type CheckedOptions = {
  readonly [Name in Exclude<keyof SqliteReplayStoreOptions, "retention">]-?: NonNullable<
    SqliteReplayStoreOptions[Name]
  >;
};

/**
 * Takes the defaults for what was not given.
 *
 * @throws {RangeError} If a number is out of bounds.
 * @throws {TypeError} If an option is unknown here.
 */
export function checkOptions(options: SqliteReplayStoreOptions): CheckedOptions {
  const {
    name = DEFAULT_NAME,
    maxEvents = Infinity,
    maxAge = Infinity,
    maxBytes = 1 << 30,
    durability = "process",
    boot = bootId(),
    pollInterval = 50,
    retention,
    ...unknown
  } = options;
  for (const other of Object.keys(unknown)) {
    throw new TypeError(`Cannot make store as a SqliteReplayStore cannot keep to ${other}`);
  }
  checkName(name);
  for (const [option, value] of Object.entries({ maxEvents, maxAge, maxBytes, pollInterval })) {
    const min = option === "pollInterval" ? 1 : 0;
    if (typeof value !== "number" || !(value >= min)) {
      throw new RangeError(`Cannot make store as ${option} must be a number >= ${min}: got ${value}`);
    }
  }
  if (durability !== "process" && durability !== "disk") {
    throw new TypeError(`Cannot make store as durability must be "process" or "disk": got ${durability}`);
  }
  if (typeof boot !== "string") throw new TypeError(`Cannot make store as boot must be a string: got ${typeof boot}`);
  return { name, ...limitsOf(retention, { maxEvents, maxAge, maxBytes }), durability, boot, pollInterval };
}

/** The ID of the machine's boot; `""` where it cannot be known. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}
