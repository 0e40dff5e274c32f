/** Waits until something is so that nobody tells of, such as what nodes know of each other; fails after a minute. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !await isSo();) {
    if (Date.now() > end) throw new Error("it did not come to be");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
