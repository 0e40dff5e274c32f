import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { isPassing, isUncertain } from "../../../src/stores/postgres/answers.ts";

describe("What an answer of PostgreSQL means", () => {
  const answers: ReadonlyArray<readonly [code: string | undefined, passing: boolean, uncertain: boolean]> = [
    ["57P01", true, false], // it is shut down
    ["25006", true, false], // it is a replica
    ["FRE01", false, false],
    ["42P01", false, false],
    ["ECONNREFUSED", true, false],
    ["CONNECTION_CLOSED", true, true],
    ["EPIPE", true, true], // as long as a SQLSTATE
    ["EPERM", true, true],
    [undefined, true, true],
  ];
  for (const [code, passing, uncertain] of answers) {
    it(`${code}: ${passing ? "asked again" : "final"}, ${uncertain ? "it may have been done" : "nothing was done"}`, () => {
      assertEquals([isPassing({ code }), isUncertain({ code })], [passing, uncertain]);
    });
  }
});
