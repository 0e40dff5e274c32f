import { createServer, type IncomingMessage } from "node:http";
import { createSecureServer, type Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { ServeHandler, ServeOptions, Server } from "../server/serve_options.ts";
import { Serving, urlOf } from "../server/serving.ts";
import { Connections } from "./node_connections.ts";
import { nodeListener } from "./node_listener.ts";

/** A server of `node:http`, or with `tls` of `node:http2`, which Deno has as well. */
export async function serveOverNode(handler: ServeHandler, options: ServeOptions): Promise<Server> {
  const serving = new Serving(handler, options);
  const { port = 8000, hostname = "127.0.0.1", tls, backlog = 4_096, reusePort = false } = options;
  const connections = new Connections();
  const listen = nodeListener(serving, connections);
  const server = tls === undefined ? createServer(listen) : createSecureServer({ ...tls, allowHTTP1: true }, listen);
  const sockets = new Set<Socket>();
  const onClose = function (this: Socket): void {
    sockets.delete(this);
  };
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", onClose);
    if (tls === undefined) connections.add(socket);
  });
  server.on("secureConnection", (socket) => socket.alpnProtocol === "h2" || connections.add(socket));
  server.on("session", (session) => connections.addSession(session));
  server.on("connect", (incoming: IncomingMessage | Http2ServerRequest, to: Socket | Http2ServerResponse) => {
    if (to instanceof Http2ServerResponse) listen(incoming, to);
    else connections.refuseTunnel(to);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: hostname, backlog, ...(reusePort && { reusePort }) }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", (error) => void serving.failed(error)); // it cannot accept, say, and goes on
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      connections.close();
    });
  return serving.server(urlOf(hostname, (server.address() as AddressInfo).port, tls), stop, () => {
    for (const socket of sockets) socket.destroy();
  });
}
