/** What an observer needs of an `EventSource`. */
export interface ObservedEventSource extends EventTarget {
  readonly readyState: number;
  close(): void;
}

export interface Observation {
  readonly url: string;
  readonly types: readonly string[];
  readonly closesAt: string | undefined;
  readonly throwsAt: string | undefined;
  /** After how many sights it ends. */
  readonly count: number;
}

/**
 * Watches an `EventSource` until it has seen so much, and as long as twenty answers of the server take after that: whether
 * more comes. It stands for itself, as a test sends its text to a browser too.
 */
export async function observeEventSource(
  EventSource: new (url: string) => ObservedEventSource,
  { url, types, closesAt, throwsAt, count }: Observation,
): Promise<string[]> {
  const seen: string[] = [];
  const source = new EventSource(url);
  const { origin } = new URL(url);
  await new Promise<void>((resolve) => {
    const late = setTimeout(resolve, 80_000); // only where something is wrong
    const see = (event: Event): void => {
      const { data, lastEventId, origin: from } = event as MessageEvent;
      let sight = `${event.type} ${source.readyState}`;
      if (data !== undefined) {
        sight = `${event.type} ${data.replaceAll("\n", "\\n")}`;
        if (lastEventId !== "") sight += ` id=${lastEventId}`;
        if (from !== origin) sight += " origin=other";
      }
      seen.push(sight);
      if (sight === closesAt) source.close();
      if (seen.length === count) {
        clearTimeout(late);
        resolve();
      }
      if (sight === throwsAt) throw new Error("thrown by a listener");
    };
    for (const type of ["open", "error", "message", ...types]) source.addEventListener(type, see);
  });
  for (let i = 0; i < 20; i++) await fetch(new URL("/answer", url));
  source.close();
  return seen;
}
