import { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";

/** What a proxy does to a connection, some way into what the server sends. */
export type Fault = "cut" | "reset" | "stall" | "truncate" | "duplicate" | "split";

export const FAULTS: readonly Fault[] = ["cut", "reset", "stall", "truncate", "duplicate", "split"];

/**
 * A TCP proxy on a bad day. `decide` says for each connection what befalls it, and after how many bytes of the answer:
 *
 * - `cut` ends the connection, `reset` resets it, wherever that is: in a character, a line, a chunk's length;
 * - `stall` sends nothing more and keeps the connection;
 * - `truncate` drops the rest of a segment, then ends the connection;
 * - `duplicate` sends the end of a segment twice, from a byte on that is no part of HTTP's framing. TCP itself sends
 *   nothing twice, and a second copy of a whole chunk would be no other than an event published twice: what a client can
 *   know is that the framing is broken;
 * - `split` sends every byte in a segment of its own, and harms nothing.
 */
export class FaultyProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** How often each fault befell a connection. */
  readonly counts: Record<string, number> = {};

  private constructor(
    server: Server,
    target: number,
    decide: () => readonly [fault: Fault, after: number] | undefined,
  ) {
    this.#server = server;
    server.on("connection", (client: Socket) => {
      const upstream = connect(target, "127.0.0.1");
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.setNoDelay(true);
        socket.on("error", () => {}); // `close` follows
        socket.on("close", () => {
          this.#sockets.delete(socket);
          (socket === client ? upstream : client).destroy();
        });
      }
      client.on("data", (bytes: Uint8Array) => upstream.write(bytes));
      const plan = decide();
      let passed = 0;
      let stalled = false;
      upstream.on("data", (bytes: Uint8Array) => {
        const segment = Buffer.from(bytes);
        if (stalled) return;
        const [fault, after] = plan ?? [undefined, Infinity];
        passed += segment.length;
        if (fault === undefined || passed < after) return void client.write(segment);
        if (fault === "split") {
          for (const byte of segment) client.write(Uint8Array.of(byte));
          return;
        }
        this.counts[fault] = (this.counts[fault] ?? 0) + 1;
        const kept = segment.subarray(0, Math.max(0, segment.length - (passed - after)));
        stalled = true;
        if (fault === "duplicate") {
          client.write(Buffer.concat([segment, tail(segment)]));
          return void client.end();
        }
        client.write(kept);
        if (fault === "reset" && typeof client.resetAndDestroy === "function") {
          setTimeout(() => client.resetAndDestroy(), 1);
        } else if (fault !== "stall") client.end();
        if (fault !== "stall") upstream.destroy();
      });
    });
  }

  static async start(
    target: number,
    decide: () => readonly [fault: Fault, after: number] | undefined,
  ): Promise<FaultyProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new FaultyProxy(server, target, decide);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** The end of a segment, from a colon on: no chunk's length begins with one. */
function tail(segment: Buffer): Buffer {
  const at = segment.lastIndexOf(":");
  return at === -1 ? Buffer.from(":") : segment.subarray(at);
}
