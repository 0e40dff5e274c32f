/** A name or an address, and perhaps a port; none of what begins another part of a URL, and no second name. */
const AUTHORITY = /^(?:[\w.~%-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * Whether a `Host` or `:authority` is one. Requests with another are answered with 400, before anything is built from it:
 * {@link https://www.rfc-editor.org/rfc/rfc9112#section-3.2 | RFC 9112, § 3.2}.
 */
export function isAuthority(host: string): boolean {
  return AUTHORITY.test(host) && URL.canParse(`http://${host}/`);
}
