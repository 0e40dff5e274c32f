import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

interface Listening {
  listen(port: number, host: string): unknown;
  address(): unknown;
  once(event: string, listener: () => void): unknown;
  close(done?: () => void): unknown;
}

/** Has a server listen on a free port of this machine. The port. */
export async function listen(server: Listening): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server as Server, "listening");
  return (server.address() as AddressInfo).port;
}
