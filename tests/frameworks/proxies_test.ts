import { assertEquals } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { connect } from "../../src/client/mod.ts";
import { createHub } from "../../src/hub/hub.ts";
import { serve } from "../support/runtime.ts";

/** A proxy, and how it is told to pass `/api/sse/` on to the hub's `/events/`. */
interface Proxy {
  readonly program: string;
  args(folder: string): string[];
  config(port: number, hub: string, folder: string): string;
}

const MODULES = "/usr/lib/apache2/modules";

const proxies: Readonly<Record<string, Proxy>> = {
  nginx: {
    program: "/usr/sbin/nginx",
    args: (folder) => ["-e", join(folder, "error.log"), "-p", folder, "-c", join(folder, "config")],
    config: (port, hub, folder) => `
daemon off;
master_process off;
pid ${folder}/pid;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port};
    location /api/sse/ { proxy_pass ${hub}events/; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}`,
  },
  Apache: {
    program: "/usr/sbin/apache2",
    args: (folder) => ["-X", "-d", folder, "-f", join(folder, "config")],
    config: (port, hub, folder) => `
Listen 127.0.0.1:${port}
ServerName localhost
PidFile ${folder}/pid
ErrorLog ${folder}/error.log
${
      ["mpm_event", "authz_core", "proxy", "proxy_http"].map((name) =>
        `LoadModule ${name}_module ${MODULES}/mod_${name}.so\n`
      ).join("")
    }
ProxyPass "/api/sse/" "${hub}events/"`,
  },
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves when something listens; fails when the program has ended. */
async function listening(url: string, child: ChildProcess): Promise<void> {
  let isOver = false;
  child.once("exit", () => isOver = true);
  for (;;) {
    try {
      await (await fetch(url)).text();
      return;
    } catch (error) {
      if (isOver) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe("Users in channels, as chabberwock/sse has them", () => {
  for (const [name, { program, args, config }] of Object.entries(proxies)) {
    it(`are reached behind ${name}, under a prefix`, {
      timeout: 60_000,
      skip: existsSync(program) ? false : `there is no ${name}`,
    }, async () => {
      const folder = mkdtempSync(join(tmpdir(), "freshet-proxy-"));
      await using hub = createHub({ tokens: { secret: "s".repeat(32) } });
      const server = await serve(hub.public, { port: 0 });
      const control = await serve(hub.control, { port: 0 });
      const port = await freePort();
      writeFileSync(join(folder, "config"), config(port, server.url, folder));
      const child = spawn(program, args(folder), { stdio: "inherit" });
      try {
        await listening(`http://127.0.0.1:${port}/`, child);
        const post = async (path: string, fields: Record<string, string>): Promise<string> => {
          const response = await fetch(`${control.url}${path}`, { method: "POST", body: new URLSearchParams(fields) });
          assertEquals(response.status, 200);
          return await response.text();
        };
        const token = await post("token/", { userId: "7", channel: "chat", exp: "60" });
        const seen: string[] = [];
        const connection = connect(`http://127.0.0.1:${port}/api/sse/`, {
          headers: { authorization: `Bearer ${token}` },
          onOpen: () => {
            // Each must leave the proxy as it comes: the next is emitted only then
            void post("emit/", { userId: "7", channel: "chat", payload: "event: chat\ndata: 1\n" });
          },
        });
        for await (const { type, data } of connection) {
          seen.push(`${type} ${data}`);
          if (data === "3") break;
          assertEquals(
            await post("emit/", { userId: "*", channel: "chat", payload: `data: ${Number(data) + 1}\n\n` }),
            "OK",
          );
        }
        assertEquals(seen, ["chat 1", "message 2", "message 3"]);
        const refused = await fetch(`http://127.0.0.1:${port}/api/sse/`);
        assertEquals(refused.status, 401);
        await refused.text();
      } finally {
        // The servers first: Apache ends when what it reads has ended
        await Promise.all([server.close(), control.close()]);
        child.kill();
        await new Promise((resolve) => child.once("exit", resolve));
        rmSync(folder, { recursive: true });
      }
    });
  }
});
