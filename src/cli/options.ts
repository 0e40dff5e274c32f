import { readFileSync, statSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";

/** One option of a command. */
export interface OptionSpec {
  /** What a value is called in the help; none for a switch. */
  readonly value?: string;
  /** Whether it may be given several times. */
  readonly multiple?: boolean;
  /** Whether the value is a number: then it is one in the JSON file, too. */
  readonly number?: boolean;
  /** Whether an empty value means something. Else it is refused: it would turn off what the option asks for. */
  readonly mayBeEmpty?: boolean;
  /** Whether it names a file that nobody else should read: who lets others read it is warned. */
  readonly isSecretFile?: boolean;
  /** What it does, one line. */
  readonly help: string;
}

/** The options of a command, by name. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** What a command was told: switches as `true`, others as text, those of several values as a list. */
export interface Options {
  /** Whether a switch is on. */
  has(name: string): boolean;
  /** A value, or `undefined`. */
  text(name: string): string | undefined;
  /** All values. */
  list(name: string): readonly string[];
  /** A number from `min`; `undefined` if it was not given. */
  number(name: string, min?: number): number | undefined;
  /** The text of the file that an option names, without white space around it. */
  file(name: string): string | undefined;
  readonly positionals: readonly string[];
}

/** Options that every command has. */
const COMMON: OptionSpecs = {
  config: { value: "FILE", help: "Options as JSON, by these names" },
  help: { help: "This text" },
};

/** Wrong usage: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Reads a command's options: flags first, then `FRESHET_<NAME>` of the environment, then the JSON file.
 *
 * @throws {UsageError} If one is wrong; it names it.
 */
export function readOptions(specs: OptionSpecs, args: readonly string[]): Options {
  const all = { ...specs, ...COMMON };
  const { values: flags, positionals } = parse(all, args);
  const fromFile = fileOptions(all, (flags["config"] as string | undefined) ?? process.env["FRESHET_CONFIG"]);
  const values: Record<string, readonly string[]> = {};
  for (const [name, spec] of Object.entries(all)) {
    const flag = flags[name];
    const variable = `FRESHET_${name.toUpperCase().replaceAll("-", "_")}`;
    const env = process.env[variable];
    let from = `--${name}`;
    if (flag !== undefined) values[name] = [flag].flat().map(String);
    else if (env !== undefined) {
      from = variable;
      values[name] = spec.multiple ? env.split(/[\s,]+/).filter(Boolean) : [env];
      if (values[name].length === 0) throw new UsageError(`${variable} must not be empty`);
    } else if (fromFile[name] !== undefined) values[name] = fromFile[name];
    if (!spec.mayBeEmpty && values[name]?.includes("")) throw new UsageError(`${from} must not be empty`);
    if (spec.value === undefined && values[name] !== undefined && !/^(?:true|false|1|0)$/.test(values[name][0]!)) {
      throw new UsageError(`${from} is a switch, true or false: got ${values[name][0]}`);
    }
  }
  const text = (name: string): string | undefined => values[name]?.at(-1);
  return {
    positionals,
    has: (name) => /^(?:true|1)$/.test(text(name) ?? ""),
    text,
    list: (name) => values[name] ?? [],
    number(name, min = 0) {
      const value = text(name);
      if (value === undefined) return undefined;
      const number = Number(value);
      if (!(value.trim() !== "" && number >= min)) {
        throw new UsageError(`--${name} must be a number from ${min}: got ${value}`);
      }
      return number;
    },
    file(name) {
      const path = text(name);
      if (path === undefined) return undefined;
      try {
        if (all[name]!.isSecretFile && canOthersRead(path)) {
          process.stderr.write(`freshet: other users of this machine can read --${name} ${path}: chmod o-r ${path}\n`);
        }
        return readFileSync(path, "utf8").trim();
      } catch (error) {
        throw new UsageError(`--${name} must be a file that can be read: ${(error as Error).message}`);
      }
    },
  };
}

/** The help of a command. */
export function helpOf(usage: string, says: string, specs: OptionSpecs): string {
  const rows = Object.entries({ ...specs, ...COMMON }).map(([name, { value, help }]) =>
    [`--${name}${value === undefined ? "" : ` ${value}`}`, help] as const
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  return `Usage: ${usage}\n\n${says}\n\n${
    rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}\n`).join("")
  }\n` +
    "An option may also be FRESHET_<NAME> in the environment, or a member of the JSON file; a flag comes first.\n";
}

function parse(
  specs: OptionSpecs,
  args: readonly string[],
): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: Object.fromEntries(
        Object.entries(specs).map(([name, { value, multiple = false }]) => [
          name,
          { type: value === undefined ? "boolean" as const : "string" as const, multiple },
        ]),
      ),
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function fileOptions(specs: OptionSpecs, path: string | undefined): Record<string, readonly string[]> {
  if (path === undefined) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(`--config must be a JSON file: ${(error as Error).message}`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new UsageError(`--config must hold an object: got ${path}`);
  }
  const values: Record<string, readonly string[]> = {};
  for (const [name, value] of Object.entries(parsed)) {
    const spec = Object.hasOwn(specs, name) ? specs[name]! : undefined;
    if (spec === undefined) throw new UsageError(`${path} has an unknown option: got ${JSON.stringify(name)}`);
    const [must, wanted] = spec.value === undefined
      ? ["true or false", "boolean"]
      : spec.number
      ? ["a number", "number"]
      : [spec.multiple ? "text or a list of text" : "text", "string"];
    const list = spec.multiple && Array.isArray(value) ? value : [value];
    const other = list.find((one) => {
      const type = typeof one;
      return type !== wanted;
    });
    // Only what it is: the value may be a secret
    if (other !== undefined) throw new UsageError(`${path}: ${name} must be ${must}: got ${kindOf(other)}`);
    if (list.includes("") && !spec.mayBeEmpty) throw new UsageError(`${path}: ${name} must not be empty`);
    values[name] = list.map(String);
  }
  return values;
}

function kindOf(value: unknown): string {
  if (value === null || typeof value === "boolean") return String(value);
  return Array.isArray(value) ? "a list" : typeof value === "string" ? "text" : `a value of type ${typeof value}`;
}

function canOthersRead(path: string): boolean {
  const OTHERS_READ = 0o004;
  return process.platform !== "win32" && (statSync(path).mode & OTHERS_READ) !== 0;
}
