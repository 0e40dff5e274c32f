/** Makes a copy of the tree in which the files to be mutated hold all their mutants, each behind a switch. */
// deno-lint-ignore no-import-prefix -- only this needs it, by hand: whoever runs the tests need not download it
import { Instrumenter } from "npm:@stryker-mutator/instrumenter@^9.6.1";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** One change to the code. */
export interface Mutant {
  /** Turns it on in this copy. */
  readonly id: string;
  /** Stands for the same change of the same file in every run. */
  readonly key: string;
  readonly file: string;
  readonly line: number;
  readonly mutator: string;
  /** The source line in which it begins, what is replaced, and by what: on one line each, cut to a length. */
  readonly at: string;
  readonly from: string;
  readonly to: string;
}

/** The syntax nodes that are looked at to leave out what is no code of ours to prove. */
interface Path {
  readonly node: { readonly type: string; readonly callee?: { readonly name?: string } };
  readonly parent: { readonly type: string; readonly callee?: { readonly name?: string } };
  readonly key?: unknown;
}

/** Messages of errors are no contract (STYLE, 6); codes, the first argument of an SseError, are. */
const messages = {
  shouldIgnore: ({ node, parent, key }: Path): string | undefined => {
    const isText = node.type === "StringLiteral" || node.type === "TemplateLiteral";
    const callee = parent?.type === "NewExpression" ? parent.callee?.name ?? "" : "";
    return isText && /Error$/.test(callee) && !(callee === "SseError" && key === 0) ? "a message" : undefined;
  },
};

/** A statement that counts, or the first part of an expression. */
const COUNTING = /stryCov_9fa48\((?:"\d+"(?:, )?)+\)(?:, )?/g;

const silent = (): void => {};
const logger = {
  ...{ trace: silent, debug: silent, info: silent, warn: console.warn, error: console.error, fatal: console.error },
  ...{ isTraceEnabled: () => false, isDebugEnabled: () => false, isInfoEnabled: () => false },
  ...{ isWarnEnabled: () => true, isErrorEnabled: () => true, isFatalEnabled: () => true },
};

/** A copy of the tree. It is for the tests to read: all workers share it. */
interface Instrumented {
  readonly root: string;
  readonly mutants: readonly Mutant[];
  /** From here on the code no longer counts what is reached, which makes it slow. */
  stopCounting(): void;
}

/** Copies the tree and puts mutants into files of it. */
export async function instrument(files: readonly string[]): Promise<Instrumented> {
  const root = mkdtempSync(join(tmpdir(), "freshet-mutate-"));
  const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    encoding: "utf8",
  });
  for (const file of tracked.split("\0").filter((file) => file !== "")) {
    cpSync(file, join(root, file), { recursive: true });
  }
  symlinkSync(resolve("node_modules"), join(root, "node_modules"));

  const sources = new Map(files.map((file) => [file, readFileSync(file, "utf8")]));
  const { files: made, mutants } = await new Instrumenter(logger).instrument(
    Array.from(sources, ([name, content]) => ({ name, content, mutate: true })),
    { plugins: null, excludedMutations: [], ignorers: [messages] },
  );
  for (const { name, content } of made) writeFileSync(join(root, name), content);
  return {
    root,
    stopCounting() {
      for (const { name, content } of made) writeFileSync(join(root, name), content.replace(COUNTING, ""));
    },
    mutants: mutants.filter(({ status }) => status !== "Ignored").map((mutant) => {
      const { id, fileName: file, location: { start, end }, mutatorName: mutator, replacement = "" } = mutant;
      const source = sources.get(file)!;
      const lines = source.split("\n");
      const offset = (line: number, column: number): number =>
        lines.slice(0, line).reduce((sum, text) => sum + text.length + 1, column);
      const from = source.slice(offset(start.line, start.column), offset(end.line, end.column));
      const place = `${start.line}:${start.column}-${end.line}:${end.column}`;
      const hash = createHash("sha1").update([file, source, place, mutator, replacement].join("\0")).digest("hex");
      const [at, short, to] = [lines[start.line]!, from, replacement].map(onOneLine) as [string, string, string];
      return { id, key: hash, file, line: start.line + 1, mutator, at, from: short, to };
    }),
  };
}

function onOneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= 100 ? line : `${line.slice(0, 99)}…`;
}
