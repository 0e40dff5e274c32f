import { checkTopic } from "../topic.ts";

/** A user in a channel, as tokens with `userId` and `channel` name them. */
export interface ChannelUser {
  readonly channel: string;
  readonly userId: string;
}

/** Under which all channels are. */
const ROOT = "channels";

/** The topic of everybody in a channel. */
export function channelTopic(channel: string): string {
  return checked(`${ROOT}/${segment(channel)}`);
}

/** The topic of one user in a channel. */
export function userTopic({ channel, userId }: ChannelUser): string {
  return checked(`${ROOT}/${segment(channel)}/${segment(userId)}`);
}

/** One segment for any text, another for any other: no two pairs share a topic, whatever stands in them. */
function segment(text: string): string {
  // Neither empty, nor `.` or `..`, nor a pattern: `/` and `%` are escaped by encodeURIComponent, `*` is not
  return "=" + encodeURIComponent(text).replaceAll("*", "%2A");
}

function checked(topic: string): string {
  checkTopic(topic);
  return topic;
}
