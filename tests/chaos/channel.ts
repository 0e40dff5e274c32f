import { Buffer } from "node:buffer";
import { connect } from "node:net";
import type { Delivery } from "../../mod.ts";
import { type Block, Blocks } from "./blocks.ts";
import { HttpBody } from "./http_body.ts";

/** How a client goes: closes its socket, resets the connection, or says that it will send no more and reads on. */
export type Leaving = "destroy" | "reset" | "half-close";

/** What a client sees of a connection. */
export interface ChannelHandlers {
  onBlock(block: Block): void;
  /** Nothing more comes: after a status of 0 none came at all. Never called for a client that has left by itself. */
  onEnd(status: number): void;
  /** Something came that must not come. */
  onBroken(error: unknown): void;
}

/** One connection of a client, as the client holds it. */
export interface Channel {
  /** Reads no more until `resume`. */
  stall(): void;
  resume(): void;
  leave(how: Leaving): void;
  /** Resolves when nothing is left of it. */
  readonly closed: Promise<void>;
}

/** A connection over TCP. After the response it is closed, or kept alive until the server closes it: then nothing more may come. */
export function openSocket(
  url: string,
  version: "1.0" | "1.1",
  keepsAlive: boolean,
  headers: readonly string[],
  handlers: ChannelHandlers,
): Channel {
  const { hostname, port, pathname, search } = new URL(url);
  const closed = Promise.withResolvers<void>();
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  let hasLeft = false;
  let hasEnded = false;
  const blocks = new Blocks((block) => hasLeft || handlers.onBlock(block));
  const body = new HttpBody((bytes) => body.status === 200 && blocks.push(bytes));
  socket.on("connect", () => {
    socket.write(
      [`GET ${pathname}${search} HTTP/${version}`, `host: ${hostname}:${port}`, ...headers, "", ""].join("\r\n"),
    );
  });
  socket.on("data", (bytes: Uint8Array) => {
    if (hasLeft) return;
    try {
      body.push(bytes);
      if (!body.hasEnded) return;
      if (body.status === 200 && blocks.isAmid) throw new Error("the response ends in the middle of a block");
      if (!hasEnded) handlers.onEnd(body.status);
      hasEnded = true;
      if (!keepsAlive) socket.destroy();
    } catch (error) {
      hasLeft = true;
      handlers.onBroken(error);
      socket.destroy();
    }
  });
  socket.on("end", () => socket.end());
  socket.on("error", () => {}); // `close` follows
  socket.on("close", () => {
    closed.resolve();
    if (!hasLeft && !hasEnded) handlers.onEnd(body.status);
  });
  return {
    stall: () => void socket.pause(),
    resume: () => void socket.resume(),
    leave(how) {
      if (how === "half-close") return void socket.end();
      hasLeft = true;
      // Node cannot reset a socket that it has half closed, and then never says that it is closed
      if (how === "reset" && !socket.writableEnded) socket.resetAndDestroy();
      else socket.destroy();
    },
    closed: closed.promise,
  };
}

/** A response in the same process, read as a stream. */
export function readResponse(response: Response, handlers: ChannelHandlers): Channel {
  const reader = response.body?.getReader();
  const blocks = new Blocks((block) => handlers.onBlock(block));
  return pulled(handlers, response.status, {
    async next() {
      const { done, value } = await reader?.read() ?? { done: true, value: undefined };
      if (done && blocks.isAmid && response.status === 200) throw new Error("the body ends in the middle of a block");
      return done ? undefined : () => response.status === 200 && blocks.push(value);
    },
    cancel: async () => await reader?.cancel(),
  });
}

/** Deliveries in the same process, read in a loop. */
export function readLoop(deliveries: AsyncIterator<Delivery>, handlers: ChannelHandlers): Channel {
  return pulled(handlers, 200, {
    async next() {
      const { done, value } = await deliveries.next();
      if (done) return undefined;
      const { type, id, data } = value;
      return () => handlers.onBlock({ type, id: id === "" ? undefined : id, data });
    },
    cancel: async () => void await deliveries.return?.(),
  });
}

/** What is pulled: one piece after the other, while the client does not stall. */
function pulled(
  { onEnd, onBroken }: ChannelHandlers,
  status: number,
  source: { next(): Promise<(() => unknown) | undefined>; cancel(): Promise<void> },
): Channel {
  let hasLeft = false;
  let isStalled = false;
  let wake = (): void => {};
  const closed = (async () => {
    while (!hasLeft) {
      if (isStalled) await new Promise<void>((resolve) => wake = resolve);
      if (hasLeft) break;
      let take: (() => unknown) | undefined;
      try {
        take = await source.next();
      } catch (error) {
        if (error instanceof DOMException) break; // cut by the server: as a reset
        if (!hasLeft) onBroken(error);
        break;
      }
      if (hasLeft || take === undefined) break;
      try {
        take();
      } catch (error) {
        onBroken(error);
        await source.cancel();
        break;
      }
    }
    if (!hasLeft) onEnd(status);
  })();
  const resume = (): void => {
    isStalled = false;
    wake();
  };
  return {
    stall: () => isStalled = true,
    resume,
    leave() {
      hasLeft = true;
      resume();
      source.cancel().catch((error) => error instanceof DOMException || onBroken(error)); // cut meanwhile
    },
    closed,
  };
}

/** Something that is not a client of ours: asks for what there is not, or leaves in the middle. */
export function openStranger(url: string, text: string, leaveAfter: "connect" | "data"): Channel {
  const { hostname, port } = new URL(url);
  const closed = Promise.withResolvers<void>();
  const socket = connect({ host: hostname, port: Number(port) });
  const leave = (): void => void socket.destroy();
  socket.on("connect", () => {
    socket.write(Buffer.from(text.replaceAll("\n", "\r\n")), () => leaveAfter === "connect" && leave());
  });
  socket.on("data", leave);
  socket.on("error", () => {}); // `close` follows
  socket.on("close", () => closed.resolve());
  return { stall() {}, resume() {}, leave, closed: closed.promise };
}
