/**
 * What the client bench reads: a server of bare sockets, in a process of its own, that sends so many events of 200 bytes as
 * fast as they are taken, in the segments in which a server's writes arrive. It prints its port.
 */
import { Buffer } from "node:buffer";
import { createServer } from "node:net";
import process from "node:process";

const EVENT_BYTES = 200;
const CHUNK_EVENTS = 100;

const count = Number(process.argv[2]);
const head = 'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"';
const event = head + "x".repeat(EVENT_BYTES - head.length - '"}}]}\n\n'.length) + '"}}]}\n\n';
const body = event.repeat(CHUNK_EVENTS);
const chunk = Buffer.from(`${body.length.toString(16)}\r\n${body}\r\n`);

const server = createServer((socket) => {
  socket.on("error", () => {}); // a client that has seen enough
  socket.once("data", () => {
    socket.write(
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
    );
    let left = count / CHUNK_EVENTS;
    const send = (): void => {
      while (left > 0 && !socket.destroyed) {
        left--;
        if (!socket.write(chunk)) return;
      }
      if (left === 0) {
        left--;
        const end = "data: [DONE]\n\n";
        socket.end(`${end.length.toString(16)}\r\n${end}\r\n0\r\n\r\n`);
      }
    };
    socket.on("drain", send);
    send();
  });
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as { port: number }).port));
process.stdin.on("end", () => process.exit(0)).resume();
