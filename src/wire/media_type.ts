/** Whether a `Content-Type` says `text/event-stream`, with parameters or without. */
export function isEventStream(contentType: string | null): boolean {
  return contentType !== null && /^[\t\n\r ]*text\/event-stream[\t\n\r ]*(?:;|$)/i.test(contentType);
}
