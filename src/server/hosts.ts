/** What an adapter of ours does about the requests that it hands to a handler. */
export interface Host {
  /** Hears of an error that has no other caller, and answers for it. */
  failed(error: unknown): Response;
}

const hosts = new WeakMap<Request, Host>();

/**
 * Notes which adapter a request came from. That adapter ends the subscriber when the client leaves, if it sends the response
 * as it is. So no listener on `request.signal` is needed, which would cost 0.6 kB (Bun) to 2 kB (Deno) a connection.
 */
export function hostedBy(request: Request, host: Host): void {
  hosts.set(request, host);
}

/** The adapter that a request came from; none if it came from elsewhere. */
export function hostOf(request: Request): Host | undefined {
  return hosts.get(request);
}
