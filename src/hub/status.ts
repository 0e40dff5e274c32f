import type { Broker } from "../broker/broker.ts";
import type { Connection, Connections } from "./connections.ts";
import type { Sampler } from "./sampler.ts";

/** What the pages of numbers are made of. */
export interface Numbers {
  readonly node: string;
  /** When the hub began, in milliseconds since 1970. */
  readonly began: number;
  readonly broker: Broker;
  readonly connections: Connections;
  readonly sampler: Sampler;
  /** Streams that began with a last event ID. */
  readonly resumed: number;
  readonly draining: boolean;
  /** Admin pages that are open: they subscribe to everything, and are no clients. */
  watchers: number;
}

/** What admin pages subscribe to. */
export const WATCHED = "**";

/** `GET /status`. */
export function status({ node, began, broker, connections, draining }: Numbers): unknown {
  const { topics: _topics, ...numbers } = broker.stats();
  return {
    node,
    status: draining ? "draining" : "ok",
    uptime: Math.round((Date.now() - began) / 1_000),
    connections: connections.count,
    ...numbers,
  };
}

/** `GET /admin/status.json`, field by field as mroth/sseserver has it. */
export function compatibleStatus({ node, began, broker, connections }: Numbers): unknown {
  return {
    node,
    status: "OK",
    reported_at: seconds(Date.now()),
    startup_time: seconds(began),
    msgs_broadcast: broker.stats().published,
    connections: Array.from(connections).sort((a, b) => a.since - b.since).map((connection) => ({
      request_path: connection.path,
      namespace: namespaceOf(connection),
      created_at: seconds(connection.since),
      client_ip: connection.address,
      user_agent: connection.userAgent,
      msgs_sent: connection.subscriber.stats().delivered,
    })),
  };
}

/** What the admin page shows of one second. */
export function overview(numbers: Numbers, maxConnections: number): unknown {
  const { broker, connections, sampler, watchers } = numbers;
  const topics = [...broker.stats({ topics: true }).topics ?? []]
    .map(([topic, { subscribers, published }]) => (
      { topic, subscribers: topic === WATCHED ? subscribers - watchers : subscribers, published }
    ))
    .filter(({ topic, subscribers }) => subscribers > 0 && !topic.startsWith("$"))
    .sort((a, b) => b.subscribers - a.subscribers || (a.topic < b.topic ? -1 : 1));
  const now = Date.now();
  return {
    ...status(numbers) as Record<string, unknown>,
    lag: sampler.lag,
    samples: sampler.samples,
    topics: topics.slice(0, maxConnections),
    topicCount: topics.length,
    streams: Array.from(connections).slice(-maxConnections).map((connection) => {
      const { delivered, bytes, bufferedBytes } = connection.subscriber.stats();
      const { id, address, userAgent, user, since } = connection;
      const age = Math.round((now - since) / 1_000);
      return {
        id,
        topics: connection.subscriber.topics,
        address,
        userAgent,
        user,
        age,
        delivered,
        bytes,
        bufferedBytes,
      };
    }),
  };
}

/** `GET /metrics`, in Prometheus' text format 0.0.4. */
export function metrics({ node, began, broker, connections, sampler, resumed }: Numbers): string {
  const { subscribers, nodes, published, delivered, dropped, bytes, gaps, errors } = broker.stats();
  let queued = 0;
  for (const { subscriber } of connections) queued += subscriber.stats().bufferedBytes;
  const lines: string[] = [];
  const add = (name: string, type: string, help: string, value: number): void => {
    lines.push(`# HELP freshet_${name} ${help}`, `# TYPE freshet_${name} ${type}`, `freshet_${name} ${value}`);
  };
  lines.push(
    "# HELP freshet_info What this process is.",
    "# TYPE freshet_info gauge",
    `freshet_info{node="${node.replaceAll(/["\\\n]/g, "_")}"} 1`,
  );
  add("start_time_seconds", "gauge", "When it began, in seconds since 1970.", began / 1_000);
  add("nodes", "gauge", "Processes that share the store, this one too.", nodes);
  add("connections", "gauge", "Open streams.", connections.count);
  add("subscribers", "gauge", "Subscribers of the broker.", subscribers);
  add("published_total", "counter", "Events published here.", published);
  add("delivered_total", "counter", "Events handed to subscribers.", delivered);
  add("dropped_total", "counter", "Events that full budgets dropped or replaced.", dropped);
  add("sent_bytes_total", "counter", "Bytes handed to subscribers.", bytes);
  add("gaps_total", "counter", "Gaps that subscribers were told of.", gaps);
  add("resumed_total", "counter", "Streams that began with a last event ID.", resumed);
  add("errors_total", "counter", "Failures that had no caller.", errors);
  add("queue_bytes", "gauge", "Bytes that the network has not taken yet.", queued);
  add("event_loop_lag_seconds", "gauge", "How late the event loop was, last looked at.", sampler.lag);
  lines.push(
    "# HELP freshet_publish_seconds How long publishing took.",
    "# TYPE freshet_publish_seconds histogram",
    ...sampler.latency.lines("freshet_publish_seconds"),
  );
  return lines.join("\n") + "\n";
}

function namespaceOf({ path }: Connection): string {
  return path.replace(/^\/subscribe/, "").replace(/\?.*$/, "") || "/";
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}
