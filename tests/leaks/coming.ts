/** What comes and goes, in several ways. */
export interface Coming {
  /** So many come in this way, and go. */
  readonly ways: Readonly<Record<string, (count: number) => Promise<void>>>;
  open(): Promise<void>;
  /**
   * Nobody is here any more.
   *
   * @throws {Error} If somebody is.
   */
  over(): Promise<void>;
  close(): Promise<void>;
}
