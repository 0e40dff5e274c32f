import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { EventParser } from "../../mod.ts";
import { checkNumber } from "../../src/wire/check_number.ts";

describe("checkNumber()", () => {
  it("takes what is within the bounds, and the bounds", () => {
    for (const value of [2, 2.5, 3]) assertEquals(checkNumber("x", value, 2, 3), undefined);
    for (const value of [0, 1e9, Infinity]) assertEquals(checkNumber("x", value), undefined);
  });

  it("refuses what is outside of them, and what is no number, and names it", () => {
    for (const value of [1.9, 3.1, -Infinity, Infinity, NaN, "2.5", null, undefined]) {
      assertThrows(
        () => checkNumber("x", value as number, 2, 3),
        RangeError,
        `x must be a number from 2 to 3: got ${value}`,
      );
    }
  });

  it("guards the parser's option", () => {
    const onEvent = (): void => {};
    assertThrows(() => new EventParser({ onEvent, maxEventSize: 0.9 }), RangeError, "maxEventSize");
    new EventParser({ onEvent, maxEventSize: 1 });
  });
});
