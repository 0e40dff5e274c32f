/** Clients of bare sockets, in a process of their own: what they hold is not the server's. See `client_order.ts`. */
import { connect, type Socket } from "node:net";
import process from "node:process";
import readline from "node:readline";
import type { ClientOrder, Leaving } from "./client_order.ts";

interface Client {
  readonly socket: Socket;
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
}

let clients: Client[] = [];
let leaving: Leaving = "destroy";
let made = 0;

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "leave") void leave();
  else void open(JSON.parse(line));
});

async function open(order: ClientOrder): Promise<void> {
  leaving = order.leaves;
  clients = Array.from({ length: order.count }, () => client(order));
  await Promise.all(clients.map(({ ready }) => ready));
  console.log("ready");
}

async function leave(): Promise<void> {
  for (const { socket } of clients) {
    if (leaving === "destroy") socket.destroy();
    else if (leaving === "reset") socket.resetAndDestroy();
    else if (leaving === "half-close") socket.end();
    socket.resume(); // one that is never read does not see its end
  }
  await Promise.all(clients.map(({ closed }) => closed));
  console.log("gone");
}

function client({ ports, text, until, stalls }: ClientOrder): Client {
  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const port = ports[made++ % ports.length]!;
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true }, () => {
    if (stalls) socket.pause();
    socket.write(text, () => until === "sent" && ready.resolve());
  });
  if (!stalls) socket.on("data", () => until === "data" && ready.resolve());
  socket.on("end", () => socket.end());
  socket.on("error", () => {}); // `close` follows
  socket.on("close", () => {
    ready.resolve();
    closed.resolve();
  });
  return { socket, ready: ready.promise, closed: closed.promise };
}
