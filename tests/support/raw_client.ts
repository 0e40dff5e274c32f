import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { EventParser, type ParsedEvent } from "../../mod.ts";

/** An HTTP/1.1 client of bare sockets: it sees what is on the wire, and can stall, leave and reset. */
export class RawClient {
  readonly socket: Socket;
  /** Everything that has come, head and framing included. */
  text = "";
  readonly events: ParsedEvent[] = [];
  closed = false;
  #wake = (): void => {};
  #hasHead = false;
  /** The beginning of a frame whose rest has not come. */
  #rest = "";
  #ended = false;
  readonly #parser = new EventParser({ onEvent: (event) => void this.events.push(event) });

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Uint8Array) => {
      const text = Buffer.from(bytes).toString("latin1");
      const hadHead = this.#hasHead;
      this.text += text;
      this.#hasHead ||= this.text.includes("\r\n\r\n");
      if (this.#hasHead) this.#parse(hadHead ? text : this.body);
      this.#wake();
    });
    socket.on("error", () => {}); // `close` follows
    socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** @param headers Beside `host`, which `undefined` leaves out. */
  static async open(
    url: string,
    head = "GET / HTTP/1.1",
    headers: Record<string, string | undefined> = {},
  ): Promise<RawClient> {
    const lines = Object.entries({ host: new URL(url).host, ...headers }).map(([name, value]) =>
      value === undefined ? "" : `${name}: ${value}\r\n`
    );
    return await RawClient.raw(url, `${head}\r\n${lines.join("")}\r\n`);
  }

  /** Sends a text as it is, in one packet if it fits. */
  static async raw(url: string, text: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const client = new RawClient(connect({ host: hostname, port: Number(port) }));
    await new Promise<void>((resolve, reject) => client.socket.once("connect", resolve).once("error", reject));
    client.socket.write(text);
    return client;
  }

  get status(): number {
    return Number(/^HTTP\/1\.[01] (\d{3})/.exec(this.text)?.[1] ?? NaN);
  }

  header(name: string): string | undefined {
    return new RegExp(`^${name}: *(.*?)\r$`, "im").exec(`${this.head}\r\n`)?.[1];
  }

  get head(): string {
    return this.text.split("\r\n\r\n", 1)[0]!;
  }

  get body(): string {
    return this.text.slice(this.text.indexOf("\r\n\r\n") + 4);
  }

  /** Resolves when a condition holds, looked at whenever something comes; fails after fifty seconds: ten times what a busy machine takes. */
  async until(condition: (client: this) => boolean): Promise<this> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`waited in vain; got ${this.text.slice(-500)}`)), 50_000);
    try {
      while (!condition(this)) {
        await Promise.race([new Promise<void>((resolve) => this.#wake = resolve), late.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
    return this;
  }

  /** Leaves as a closed browser does. */
  leave(): void {
    this.socket.destroy();
  }

  /** Takes the frames of a chunked body apart. */
  #parse(text: string): void {
    if (this.header("transfer-encoding") !== "chunked") {
      this.#parser.push(Buffer.from(text, "latin1"));
      return;
    }
    text = this.#rest + text;
    let at = 0;
    while (!this.#ended) {
      const end = text.indexOf("\r\n", at);
      const size = parseInt(text.slice(at, end), 16);
      if (end === -1 || text.length < end + 2 + size + 2) break;
      if (Number.isNaN(size)) throw new Error(`not a chunk: ${text.slice(at, end + 20)}`);
      this.#parser.push(Buffer.from(text.slice(end + 2, end + 2 + size), "latin1"));
      at = end + 2 + size + 2;
      this.#ended = size === 0; // what follows is another response
    }
    this.#rest = text.slice(at);
  }
}
