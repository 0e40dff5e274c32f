import { checkPattern, checkTopic } from "../topic.ts";
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

/** How many topics one request may subscribe to. */
const MAX_TOPICS = 64;

/**
 * The topics and patterns that a request subscribes to, or the answer to one that names none: `/subscribe/<topic>` that
 * and all below, `/subscribe?topic=…` these.
 *
 * @param prefixMatch Whether the topic stands for all that begin so: then what may hold such is subscribed to.
 */
export function wantedOf(request: Request, prefixMatch: boolean): readonly string[] | Response {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/subscribe" || pathname === "/subscribe/") {
    const topics = searchParams.getAll("topic");
    if (topics.length === 0 || topics.length > MAX_TOPICS) {
      return problem(400, `Name a topic in the path, or 1 to ${MAX_TOPICS} as ?topic=…: got ${topics.length}`);
    }
    try {
      for (const topic of topics) checkPattern(topic);
      return topics;
    } catch (error) {
      return problem(400, (error as Error).message);
    }
  }
  const topic = topicOf(request, "/subscribe/");
  if (topic instanceof Response) return topic;
  if (!prefixMatch) return [`${topic}/**`];
  const above = topic.slice(0, topic.lastIndexOf("/") + 1);
  return [`${above}**`];
}
