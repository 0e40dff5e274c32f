/** The servers of the fan-out bench: each opens a port and publishes to every stream that is open. */
import { createChannel, createSession } from "better-sse";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Broker, createHandler, encodeEvent } from "../../mod.ts";
import type { ServeHandler, ServeOptions, Server } from "../../src/server/serve_options.ts";
import { runtime } from "./compare.ts";

export interface Contestant {
  readonly port: number;
  publish(data: string): void;
  /** Sends what `publish` gathered in this turn, if it gathers. */
  flush?(): void;
}

type Serve = (handler: ServeHandler, options: ServeOptions) => Promise<Server>;

async function freshet(serve: Serve): Promise<Contestant> {
  const broker = new Broker({ heartbeat: 0 });
  const { url } = await serve(createHandler(broker, { topics: "t" }), { port: 0 });
  return { port: Number(new URL(url).port), publish: (data) => void broker.publish("t", { data }) };
}

/** The barest loop on `node:http`: every event of the turn encoded and framed once, written to each socket. */
async function bareNode(): Promise<Contestant> {
  const open = new Set<ServerResponse>();
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    open.add(response);
    response.on("close", () => open.delete(response));
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, resolve));
  let id = 0;
  let text = "";
  return {
    port: (server.address() as AddressInfo).port,
    publish: (data) => text += encodeEvent({ id: `~abcdefgh.${++id}`, data }),
    flush() {
      const bytes = Buffer.from(text);
      text = "";
      const framed = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
      for (const { socket } of open) socket!.write(framed);
    },
  };
}

/** The barest loop on the runtime's own server: one array of bytes, handed to each stream. */
function bareStreams(
  listen: (answer: () => Response) => number,
  open: (take: (write: (bytes: Uint8Array) => void) => void) => ReadableStream<Uint8Array>,
): Contestant {
  const encoder = new TextEncoder();
  const writes = new Set<(bytes: Uint8Array) => void>();
  const port = listen(() =>
    new Response(open((write) => writes.add(write)), { headers: { "content-type": "text/event-stream" } })
  );
  let id = 0;
  let text = "";
  return {
    port,
    publish: (data) => text += encodeEvent({ id: `~abcdefgh.${++id}`, data }),
    flush() {
      const bytes = encoder.encode(text);
      text = "";
      for (const write of writes) write(bytes);
    },
  };
}

function bareDeno(): Contestant {
  return bareStreams(
    (answer) => Deno.serve({ port: 0, hostname: "127.0.0.1", tcpBacklog: 4096, onListen() {} }, answer).addr.port,
    (take) =>
      new ReadableStream({ start: (controller) => take((bytes) => controller.enqueue(bytes)) }, {
        highWaterMark: 16_384,
        size: (bytes) => bytes.byteLength,
      }),
  );
}

interface Direct {
  write(bytes: Uint8Array): unknown;
  flush(): unknown;
}

declare const Bun: {
  serve(options: {
    port: number;
    hostname: string;
    idleTimeout: number;
    fetch(request: Request): Response | Promise<Response>;
  }): { port: number };
};

function bareBun(): Contestant {
  return bareStreams(
    (fetch) => Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch }).port,
    (take) => {
      const pull = (controller: Direct): Promise<never> => {
        take((bytes) => {
          controller.write(bytes);
          controller.flush();
        });
        controller.write(new TextEncoder().encode(":\n\n"));
        controller.flush();
        return new Promise(() => {});
      };
      return new ReadableStream({ type: "direct", pull } as unknown as UnderlyingDefaultSource<Uint8Array>);
    },
  );
}

async function betterSse(): Promise<Contestant> {
  const channel = createChannel();
  const server = createServer(async (request, response) => {
    channel.register(await createSession(request, response, { keepAlive: null }));
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, resolve));
  return { port: (server.address() as AddressInfo).port, publish: (data) => void channel.broadcast(data, "message") };
}

function hono(): Contestant {
  const streams = new Set<{ writeSSE(event: { data: string; id: string }): Promise<void> }>();
  const app = new Hono().get("/", (c) =>
    streamSSE(c, (stream) => {
      streams.add(stream);
      return new Promise(() => {});
    }));
  const port = runtime === "deno"
    ? Deno.serve({ port: 0, hostname: "127.0.0.1", tcpBacklog: 4096, onListen() {} }, app.fetch).addr.port
    : Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: (request) => app.fetch(request) }).port;
  let id = 0;
  return {
    port,
    publish(data) {
      id++;
      for (const stream of streams) void stream.writeSSE({ data, id: `~abcdefgh.${id}` });
    },
  };
}

const native = async (): Promise<Contestant> => freshet((await import(`../../src/adapters/${runtime}.ts`)).serve);

/** By name; the first is ours, beside it the barest loop by the same means, then the peer. */
export const contestants: Readonly<Record<string, () => Contestant | Promise<Contestant>>> = {
  freshet: native,
  "bare-node": bareNode,
  "bare-deno": bareDeno,
  "bare-bun": bareBun,
  "better-sse": betterSse,
  "hono": hono,
};
