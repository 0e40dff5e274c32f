/** § 9.2.2, step 15.3: whether a response is a 200 of type `text/event-stream`, with parameters or without. */
export function isEventStream({ headers, status }: Response): boolean {
  return status === 200 && /^[\t\n\r ]*text\/event-stream[\t\n\r ]*(?:;|$)/i.test(headers.get("content-type") ?? "");
}

/** What to say of another. */
export function notAnEventStream({ body, headers, status }: Response): string {
  const type = headers.get("content-type") ?? "none";
  return `Cannot read events as the response is not an event stream: got status ${status}, type ${type}` +
    (body === null ? ", no body" : "");
}
