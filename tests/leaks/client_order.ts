/** What the process of clients is told to do, a line of JSON each: it answers `ready` or `gone`. */
export interface ClientOrder {
  readonly ports: readonly number[];
  readonly count: number;
  /** What each writes. */
  readonly text: string;
  /** When it is ready: when its text has been sent, or something has come, or the server has closed the connection. */
  readonly until: "sent" | "data" | "closed";
  /** Whether it reads nothing. */
  readonly stalls: boolean;
  readonly leaves: Leaving;
}

/** How a client goes when it is told to: it closes, resets, says that it will send no more, or waits for the server. */
export type Leaving = "destroy" | "reset" | "half-close" | "wait";
