import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";

/** One answer, to the next request that comes. Every connection is used once. */
export interface ScriptedResponse {
  /** @default {200}; 0 for none: the connection is cut before the head */
  readonly status?: number;
  /** Beside the type of an event stream, which one of `content-type` replaces; an empty value leaves it out. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Each leaves in a segment of its own. */
  readonly chunks?: Iterable<string | Uint8Array>;
  /** Whether chunks leave one after another as the socket takes them, with no pause. */
  readonly paced?: boolean;
  /** How the body goes on: it ends, the connection is reset in the middle, or nothing more comes. @default {"stay"} */
  readonly then?: "end" | "reset" | "stay";
}

/** What came. */
export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case; values decoded as UTF-8. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How long a segment is given to leave alone. */
const PAUSE_MS = 15;

/** A browser asks first where `fetch` is to send a header of ours to another origin; not for its own `EventSource`. */
const PREFLIGHT: ScriptedResponse = { status: 204, headers: { "access-control-allow-headers": "last-event-id" } };

/** An HTTP/1.1 server of bare sockets that plays a script, and remembers what it was asked. */
export class ScriptedServer {
  readonly requests: ScriptedRequest[] = [];
  /** Called with each request; a response that it returns comes before the script. */
  onRequest: ((request: ScriptedRequest) => ScriptedResponse | undefined) | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #script: ScriptedResponse[];
  #closed = 0;
  #wake = (): void => {};

  private constructor(server: Server, script: readonly ScriptedResponse[]) {
    this.#server = server;
    this.#script = [...script];
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {}); // `close` follows
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#closed++;
        this.#wake();
      });
      let bytes = Buffer.alloc(0);
      socket.on("data", (chunk: Uint8Array) => {
        bytes = Buffer.concat([bytes, chunk]);
        const request = parseRequest(bytes);
        if (request === undefined) return;
        bytes = Buffer.alloc(0);
        void this.#answer(socket, request);
      });
    });
  }

  static async start(script: readonly ScriptedResponse[] = []): Promise<ScriptedServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ScriptedServer(server, script);
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** Adds to the script. */
  add(...responses: readonly ScriptedResponse[]): void {
    this.#script.push(...responses);
  }

  /** Resolves when so many connections are closed. */
  async abandoned(count: number): Promise<void> {
    while (this.#closed < count) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(socket: Socket, request: ScriptedRequest): Promise<void> {
    const special = request.method === "OPTIONS" ? PREFLIGHT : this.onRequest?.(request);
    if (special === undefined) this.requests.push(request);
    const { status = 200, headers = {}, chunks = [], paced = false, then = "stay" } = special ?? this.#script.shift() ??
      {};
    this.#wake();
    if (status === 0) return void cut(socket);
    const all = { "content-type": "text/event-stream", "access-control-allow-origin": "*", ...headers };
    const hasBody = status !== 204 && status !== 304;
    const lines = Object.entries(all).filter(([, value]) => value !== "").map(([name, value]) =>
      `${name}: ${value}\r\n`
    );
    socket.write(
      `HTTP/1.1 ${status} Scripted\r\nconnection: close\r\n${hasBody ? "transfer-encoding: chunked\r\n" : ""}` +
        lines.join("") + "\r\n",
    );
    if (!hasBody) return void socket.end();
    for (const chunk of chunks) {
      if (!paced) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      const body = typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk);
      const frame = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n")]);
      if (!socket.write(frame) && paced) {
        await new Promise((resolve) => socket.once("drain", resolve).once("close", resolve));
      }
    }
    if (then === "end") socket.end("0\r\n\r\n");
    if (then === "reset") setTimeout(() => cut(socket), PAUSE_MS); // after what was written
  }
}

/** By a reset, where the runtime has it. */
function cut(socket: Socket): void {
  if (typeof socket.resetAndDestroy === "function") socket.resetAndDestroy();
  else socket.destroy();
}

function parseRequest(bytes: Buffer): ScriptedRequest | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [first = "", ...lines] = bytes.subarray(0, end).toString("utf8").split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const rest = bytes.subarray(end + 4);
  if (headers["transfer-encoding"] === "chunked") {
    const text = rest.toString("utf8");
    if (!text.endsWith("0\r\n\r\n")) return undefined;
    return { method, path, headers, body: text.replace(/(?:^|\r\n)[0-9a-f]+\r\n/g, "").replace(/\r\n$/, "") };
  }
  if (rest.length < Number(headers["content-length"] ?? 0)) return undefined;
  return { method, path, headers, body: rest.toString("utf8") };
}
