/** What this module needs of a client of the package `postgres` (version 3). Bring your own. */
export interface PostgresClient {
  /** Runs a query. */
  unsafe(
    query: string,
    parameters?: (string | number | null)[],
    options?: { readonly prepare?: boolean },
  ): PromiseLike<readonly Record<string, unknown>[]>;
  /** Listens on a connection of its own, and again when that was lost. */
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onListen?: () => void,
  ): Promise<{ unlisten(): Promise<void> }>;
  /** How it was made. */
  readonly options: { readonly prepare?: boolean };
}
