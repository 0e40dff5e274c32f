/** § 9.2.2, step 15.3: whether a response is a 200 of type `text/event-stream`, with parameters or without, and has a body. */
export function isEventStream({ body, headers, status }: Response): boolean {
  // Fetch, § 2.2.2, extracting a MIME type: of several that are joined, the last one counts
  const types = headers.get("content-type")?.replaceAll(/"[^"]*"/g, "").split(",");
  const type = types?.findLast((type) => /^\s*[^*/;\s]+\/[^;\s]/.test(type));
  return body !== null && status === 200 && /^[\t\n\r ]*text\/event-stream[\t\n\r ]*(?:;|$)/i.test(type ?? "");
}

/** What to say of another. */
export function notAnEventStream({ body, headers, status }: Response): string {
  const type = headers.get("content-type") ?? "none";
  return `Cannot read events as the response is not an event stream: got status ${status}, type ${type}` +
    (body === null ? ", no body" : "");
}
