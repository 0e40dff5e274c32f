/** What an adapter of ours does about the requests that it hands to a handler. */
export interface Host {
  /** Hears of an error that has no other caller, and answers for it. */
  failed(error: unknown): Response;
}

const hosts = new WeakMap<Request, Host>();

/**
 * Says who has handed a request over. It promises that it ends the subscriber of a response that it sends as it is when the
 * client leaves, so that nobody has to listen to the request's signal: that costs 0.6 kB (Bun) to 2 kB (Deno) a connection,
 * and Deno warns of it.
 */
export function hostedBy(request: Request, host: Host): void {
  hosts.set(request, host);
}

/** The adapter that has handed a request over; none if it comes from elsewhere. */
export function hostOf(request: Request): Host | undefined {
  return hosts.get(request);
}
