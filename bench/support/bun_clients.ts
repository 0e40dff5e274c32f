/** The clients of the benches that measure a server from outside. They run in Bun, whose sockets read fastest. */

declare const Bun: {
  connect(options: {
    hostname: string;
    port: number;
    socket: { open(socket: Client): void; data(socket: Client, bytes: Uint8Array): void; error(): void; close(): void };
  }): Promise<Client>;
};

/** One connection. */
export interface Client {
  write(text: string): number;
  end(): void;
}

/** A request for an event stream. */
export interface ClientOptions {
  readonly port: number;
  /** The path with its query. */
  readonly path?: string;
  readonly lastEventId?: string;
  /** Is handed all that comes; without, it is read and dropped. */
  readonly onData?: (bytes: Uint8Array) => void;
}

/** Opens a connection, and resolves with its first bytes. */
export async function openClient({ port, path = "/", lastEventId, onData }: ClientOptions): Promise<Client> {
  const opened = Promise.withResolvers<void>();
  const resume = lastEventId === undefined ? "" : `Last-Event-ID: ${lastEventId}\r\n`;
  const client = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) =>
        void socket.write(
          `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n${resume}\r\n`,
        ),
      data(_, bytes) {
        opened.resolve();
        onData?.(bytes);
      },
      error: () => {},
      close: () => opened.reject(new Error("The server has closed the connection before it answered")),
    },
  });
  await opened.promise;
  return client;
}

/** Opens many, so many at once. */
export async function openClients(
  count: number,
  optionsOf: (i: number) => ClientOptions,
  atOnce = 100,
): Promise<Client[]> {
  const clients: Client[] = [];
  for (let i = 0; i < count; i += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, count - i) }, (_, j) => openClient(optionsOf(i + j)));
    clients.push(...await Promise.all(some));
  }
  return clients;
}

/** Counts the events in a stream's bytes: a blank line ends one. */
export function eventCounter(): (bytes: Uint8Array) => number {
  let count = 0;
  let last = 0;
  return (bytes) => {
    for (const byte of bytes) {
      if (byte === 10 && last === 10) count++;
      last = byte;
    }
    return count;
  };
}
