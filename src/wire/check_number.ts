/**
 * Refuses an option that is no number, or out of bounds.
 *
 * @throws {RangeError} What was wrong, and what was got.
 */
export function checkNumber(name: string, value: number, min: number = 0, max: number = Infinity): void {
  if (typeof value !== "number" || !(value >= min && value <= max)) {
    throw new RangeError(`Option ${name} must be a number from ${min} to ${max}: got ${value}`);
  }
}
