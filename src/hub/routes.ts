import { checkTopic } from "../broker/topic.ts";
import { problem } from "../server/problem.ts";

/** The topic that a path names after its prefix, or the answer to one that names none. */
export function topicOf(request: Request, prefix: string): string | Response {
  const { pathname } = new URL(request.url);
  const path = pathname.slice(prefix.length);
  if (path === "") return problem(400, `The path must name a topic: got ${pathname}, expected ${prefix}<topic>`);
  try {
    const topic = path.split("/").map(decodeURIComponent).join("/");
    checkTopic(topic);
    return topic;
  } catch (error) {
    const why = error instanceof URIError
      ? "Cannot decode topic as its escapes are not UTF-8"
      : (error as Error).message;
    return problem(400, `${why} in ${pathname}`);
  }
}
