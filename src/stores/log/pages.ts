import type { LogEngine, LogPage } from "./engine.ts";

/** Entries that an engine is asked for at once: the smaller they are, the more. */
const ENTRIES = { least: 16, first: 256, most: 1_024 };
/** UTF-16 code units of a page, unless one entry alone has more; and up to how many the next is asked for meanwhile. */
const LENGTH = { most: 1 << 22, ahead: 1 << 20 };

/** How long a page may be held, in milliseconds: retention goes on meanwhile. */
const HELD_MS = 5_000;

type Topics = readonly string[] | undefined;

/** A page, or what is left of it, and where it begins. */
interface Begun<T> {
  readonly after: number;
  readonly topics: Topics;
  readonly page: T;
  /** Since when it is held. */
  readonly since: number;
}

/**
 * The pages of a log, for who walks along it in steps: what is left of a page when a step ends is there for the next, and
 * the page after it is asked for meanwhile. Neither says that the log ends: where it ended then is not where it ends now.
 * Readers at different places cost each other what is held, and nothing else.
 */
export class LogPages {
  readonly #engine: LogEngine;
  #rest: Begun<LogPage> | undefined;
  #ahead: Begun<Promise<LogPage>> | undefined;
  #entries = ENTRIES.first;

  constructor(engine: LogEngine) {
    this.#engine = engine;
  }

  /**
   * Entries after a position.
   *
   * @param limit How many are wanted; there may be more, for `keep`.
   */
  async next(after: number, topics: Topics, limit: number): Promise<LogPage> {
    const [rest, ahead] = [this.#rest, this.#ahead];
    this.#rest = undefined;
    if (isAt(rest, after, topics)) return rest.page;
    this.#ahead = undefined;
    if (isAt(ahead, after, topics)) {
      const page = await ahead.page;
      if (page.examined > after) return this.#begin({ ...page, ends: false }, topics, limit);
    }
    return this.#begin(await this.#ask(after, topics, limit), topics, limit);
  }

  /** Takes back what was not used of a page. */
  keep(after: number, topics: Topics, page: LogPage): void {
    this.#rest = { after, topics, page: { ...page, ends: false }, since: performance.now() };
  }

  /** Forgets what is held: the log is another, or lacks some of it. */
  clear(): void {
    this.#rest = this.#ahead = undefined;
  }

  async #begin(page: LogPage, topics: Topics, limit: number): Promise<LogPage> {
    const { entries, examined, ends } = page;
    let length = 0;
    for (const { body } of entries) length += body.length;
    if (entries.length > 0) {
      const fit = Math.floor(LENGTH.ahead / (length / entries.length + 1));
      this.#entries = Math.max(ENTRIES.least, Math.min(ENTRIES.most, 2 * this.#entries, fit));
    }
    if (!ends && length <= LENGTH.ahead) {
      const ahead = this.#ask(examined, topics, limit);
      ahead.catch(() => {}); // told to who reads on
      this.#ahead = { after: examined, topics, page: ahead, since: performance.now() };
      await this.#engine.asked?.();
    }
    return page;
  }

  #ask(after: number, topics: Topics, limit: number): Promise<LogPage> {
    // Of some topics only a few may be in a page
    const wanted = topics === undefined && limit < ENTRIES.first ? limit : this.#entries;
    return this.#engine.page(after, { topics, limit: wanted, maxLength: LENGTH.most });
  }
}

function isAt<T>(begun: Begun<T> | undefined, after: number, topics: Topics): begun is Begun<T> {
  return begun?.after === after && sameTopics(begun.topics, topics) && performance.now() - begun.since < HELD_MS;
}

function sameTopics(one: Topics, other: Topics): boolean {
  return one === other || one?.length === other?.length && one?.every((topic, i) => topic === other![i]) === true;
}
