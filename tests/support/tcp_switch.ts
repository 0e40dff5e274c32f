import { connect, createServer, type Server, type Socket } from "node:net";

/** A TCP port that leads to another, which can be changed, and that can be silent for a while. */
export class TcpSwitch {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: number;
  #isHeld = false;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    server.on("connection", (client: Socket) => {
      const upstream = connect(this.#target, "127.0.0.1");
      for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
        this.#sockets.add(from);
        from.setNoDelay(true);
        from.on("data", (bytes: Uint8Array) => void to.write(bytes));
        from.on("error", () => {}); // `close` follows
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        if (this.#isHeld) from.pause();
      }
    });
  }

  static async start(target: number): Promise<TcpSwitch> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new TcpSwitch(server, target);
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Brings nothing more, in either direction, and keeps the connections. */
  hold(): void {
    this.#isHeld = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Ends all connections, with what is held of them, and leads to another port from now on. */
  point(target: number): void {
    this.#target = target;
    this.#isHeld = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
