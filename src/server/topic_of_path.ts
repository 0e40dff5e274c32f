import { RequestError } from "./request_error.ts";

/**
 * The topic that the path of a request names after a prefix, with its escapes decoded: `/rooms/caf%C3%A9` under `/rooms/`
 * is `café`. In a handler's `topics`, `authorize` or `gone` its errors are answered with 404 and 400.
 *
 * What it returns may still be no topic, such as one that holds `*`: the handler answers 400 to that, too.
 *
 * @example A topic for each room
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, createHandler, topicOfPath } from "@freshet/sse";
 *
 * await using broker = new Broker();
 * const handler = createHandler(broker, { topics: (request) => "rooms/" + topicOfPath(request, "/rooms/") });
 *
 * assertEquals(topicOfPath(new Request("http://localhost/rooms/caf%C3%A9/7"), "/rooms/"), "café/7");
 * assertEquals((await handler(new Request("http://localhost/rooms/*"))).status, 400);
 * assertEquals((await handler(new Request("http://localhost/elsewhere"))).status, 404);
 * ```
 *
 * @param request Whose path.
 * @param prefix What stands before the topic. It begins and ends with `/`.
 * @returns What follows the prefix: one character at least.
 * @throws {TypeError} If the path does not begin with the prefix or ends with it, if an escape is not UTF-8, or if one
 * stands for `/`, which would make two segments of one. Also if the prefix is not valid.
 */
export function topicOfPath(request: Request, prefix: string = "/"): string {
  if (typeof prefix !== "string" || !prefix.startsWith("/") || !prefix.endsWith("/")) {
    throw new TypeError(`Cannot find topic in path as prefix must begin and end with /: got ${JSON.stringify(prefix)}`);
  }
  const { pathname } = new URL(request.url);
  if (!pathname.startsWith(prefix) || pathname === prefix) {
    throw new RequestError(404, `Cannot find topic in path as it must follow ${prefix}: got ${pathname.slice(0, 80)}`);
  }
  const rest = pathname.slice(prefix.length);
  let topic: string;
  try {
    topic = decodeURIComponent(rest);
  } catch {
    throw new RequestError(400, `Cannot find topic in path as its escapes must be UTF-8: got ${rest.slice(0, 80)}`);
  }
  if (/%2f/i.test(rest)) {
    throw new RequestError(
      400,
      `Cannot find topic in path as its escapes must not stand for /: got ${rest.slice(0, 80)}`,
    );
  }
  return topic;
}
