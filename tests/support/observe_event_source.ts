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
 * Watches an `EventSource` until it has seen so much, and a moment longer: whether more comes. It stands for itself, as a
 * test sends its text to a browser too.
 */
export async function observeEventSource(
  EventSource: new (url: string) => ObservedEventSource,
  { url, types, closesAt, throwsAt, count }: Observation,
): Promise<string[]> {
  const seen: string[] = [];
  const source = new EventSource(url);
  const { origin } = new URL(url);
  await new Promise<void>((resolve) => {
    const late = setTimeout(resolve, 8_000);
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
        setTimeout(resolve, 120);
      }
      if (sight === throwsAt) throw new Error("thrown by a listener");
    };
    for (const type of ["open", "error", "message", ...types]) source.addEventListener(type, see);
  });
  source.close();
  return seen;
}
