import { assert } from "@std/assert";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { bundle } from "../support/bundle.ts";

describe("The client's bundle", () => {
  const limits: ReadonlyArray<readonly [what: string, names: string, bytes: number]> = [
    ["EventSource alone", "{ EventSource }", 4 * 1024],
    ["connect() alone", "{ connect }", 5.5 * 1024],
  ];
  for (const [what, names, bytes] of limits) {
    it(`has at most ${bytes} bytes gzipped: ${what}`, { timeout: 60_000 }, () => {
      const size = gzipSync(bundle(`export ${names} from "client";`, "--minify")).length;
      assert(size <= bytes, `${size} bytes`);
    });
  }
});
