/** What reads or copies text or bytes, and how many code units or bytes a call may touch at most. */
const counted: ReadonlyArray<
  readonly [owner: object, method: string, cost: (self: never, ...args: never[]) => number]
> = [
  [String.prototype, "charCodeAt", () => 1],
  [String.prototype, "indexOf", (text: string, what: string, from = 0) => {
    const at = text.indexOf(what, from);
    return (at === -1 ? text.length : at + what.length) - from;
  }],
  [String.prototype, "slice", (text: string, start: number, end = text.length) => end - start],
  [String.prototype, "startsWith", (_text: string, what: string) => what.length],
  [TextDecoder.prototype, "decode", (_decoder: TextDecoder, bytes?: Uint8Array) => bytes?.length ?? 0],
  [Object.getPrototypeOf(Uint8Array.prototype), "set", (_bytes: Uint8Array, source: Uint8Array) => source.length],
  [Object.getPrototypeOf(Uint8Array.prototype), "slice", (bytes: Uint8Array) => bytes.length],
];

/**
 * Counts what synchronous code does to text and bytes: code units and bytes that its calls look at or copy. No clock is
 * asked, so a busy machine changes nothing. What a loop over single bytes does is not counted, nor is joining text, which
 * engines put off until the text is looked at.
 */
export function countWork(work: () => void): number {
  let count = 0;
  let counting = true;
  const originals = counted.map(([owner, method, cost]) => {
    const original = Reflect.get(owner, method) as (...args: never[]) => unknown;
    Reflect.set(owner, method, function (this: never, ...args: never[]): unknown {
      if (counting) {
        counting = false; // not what the count itself calls
        count += cost(this, ...args);
        counting = true;
      }
      return Reflect.apply(original, this, args);
    });
    return [owner, method, original] as const;
  });
  try {
    work();
  } finally {
    for (const [owner, method, original] of originals) Reflect.set(owner, method, original);
  }
  return count;
}
