/**
 * What users of three older servers do, done with `freshet` and requests that a person could make with curl. Behind Apache
 * and nginx: `tests/frameworks/proxies_test.ts`; the demo's every switch: `demo_test.ts`.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "node:test";
import { parseEvents } from "../../mod.ts";
import { CliProcess } from "../support/cli.ts";

async function textOf(response: Response, until: RegExp): Promise<string> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!until.test(text)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}

describe("mpetazzoni/sse-server's users run freshet demo", () => {
  it("and see its transcripts", { timeout: 30_000 }, async () => {
    await using demo = new CliProcess(["demo"], { env: { PORT: "0", AUTH_TOKEN: "s3cret" } });
    const [url] = await demo.urls();
    const ask = (path: string, headers: Record<string, string> = {}) =>
      fetch(`${url}${path}`, { headers: { authorization: "Bearer s3cret", ...headers } });

    const anonymous = await fetch(`${url}stream`);
    assertEquals([anonymous.status, anonymous.headers.get("access-control-allow-origin")], [401, "*"]);
    await anonymous.text();

    const response = await ask("stream?count=2&interval=1");
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    assertEquals(response.headers.get("x-expected-events"), "2");
    const text = await response.text();
    assertMatch(
      text,
      /^id: hello\ndata: Hello, 127\.0\.0\.1:\d+!\n\n(?:id: message-[12]\ndata: \{\ndata: {3}"time": \d+,\ndata: {3}"random": "\w{16}"\ndata: \}\n\n){2}$/,
    );
    const resumed = await (await ask("stream?count=1&interval=1", { "last-event-id": "message-2" })).text();
    const random = (text: string): string => /message-2\n[\s\S]*?"random": "(\w+)"/.exec(text)![1]!;
    assertEquals(random(resumed), random(text));
    assertEquals((await ask("stream?count=-1")).status, 400);

    const open = await ask("stream");
    const status = await (await ask("status")).json();
    const [[remote, client]] = Object.entries(status) as [[string, Record<string, unknown>]];
    assertEquals(client["remote"], remote);
    await open.body!.cancel();
  });
});

describe("mroth/sseserver's users run freshet serve", () => {
  it("and see its pets, its keep-alives, its headers and its status", { timeout: 60_000 }, async () => {
    await using hub = new CliProcess([
      ...[
        "serve",
        "--bind",
        "127.0.0.1:0",
        "--bind-control",
        "127.0.0.1:0",
        "--anonymous",
        "**",
        "--allow-origin",
        "*",
      ],
      ...["--heartbeat", "0.2", "--trust-proxy", "127.0.0.1"],
    ]);
    const [url, control] = await hub.urls();
    const publish = async (topic: string, event: string, data: string): Promise<void> => {
      const response = await fetch(`${control}publish/${topic}`, {
        method: "POST",
        body: new URLSearchParams({ event, data }),
      });
      assertEquals(response.status, 201);
      await response.text();
    };
    const pets = await fetch(`${url}subscribe/pets`, {
      headers: { "x-forwarded-for": "203.0.113.9", "user-agent": "curl/8", origin: "https://anywhere.example" },
    });
    const dogs = await fetch(`${url}subscribe/pets/dogs`);
    assertEquals(pets.headers.get("access-control-allow-origin"), "*");
    assertEquals(pets.headers.get("cache-control"), "no-cache, no-transform");
    const status = await (await fetch(`${control}admin/status.json`)).json();
    assertEquals([status.status, status.connections.length], ["OK", 2]);
    const [connection] = status.connections;
    assertEquals(
      [connection.namespace, connection.client_ip, connection.user_agent, connection.msgs_sent],
      ["/pets", "203.0.113.9", "curl/8", 0],
    );

    await publish("pets/cats", "meow", "Meow!");
    await publish("petstore", "sale", "not for pets");
    await publish("pets/dogs", "bark", "Woof!");
    const heardByDogs = parseEvents(dogs);
    assertEquals((await heardByDogs.next()).value?.data, "Woof!");
    await heardByDogs.return?.();
    const text = await textOf(pets, /Woof![\s\S]*\n\n[\s\S]*\n\n/); // and a heartbeat after it
    assertEquals(text.match(/^data: .*$/gm), ["data: Meow!", "data: Woof!"]);
    assertMatch(text, /data: Woof!\n\nevent: checkpoint\nid: ~\S+\n\n$/);

    const page = await fetch(`${control}admin/`);
    assertMatch(page.headers.get("content-security-policy")!, /^default-src 'none'/);
    assertMatch(await page.text(), /<title>Freshet/);
    for (const path of ["admin/", "admin/status.json"]) assertEquals((await fetch(`${url}${path}`)).status, 401);
  });

  it("and turn the admin page off", { timeout: 30_000 }, async () => {
    await using hub = new CliProcess([
      "serve",
      "--bind",
      "127.0.0.1:0",
      "--bind-control",
      "127.0.0.1:0",
      "--anonymous",
      "**",
      "--no-admin",
    ]);
    for (const url of await hub.urls()) {
      for (const path of ["admin/", "admin/status.json"]) assertEquals((await fetch(`${url}${path}`)).status, 403);
    }
  });
});

describe("chabberwock/sse's users run freshet serve --bind --bind-control --secret", () => {
  it("and get tokens, emit, and hear", { timeout: 60_000 }, async () => {
    await using hub = new CliProcess(
      ["serve", "--bind", "127.0.0.1:0", "--bind-control", "127.0.0.1:0", "--secret", "secret".repeat(6)],
    );
    const [url, control] = await hub.urls();
    const post = async (path: string, fields: Record<string, string>): Promise<[number, string]> => {
      const response = await fetch(`${control}${path}`, { method: "POST", body: new URLSearchParams(fields) });
      return [response.status, await response.text()];
    };
    const [, token] = await post("token/", { userId: "1", channel: "chat", exp: "3" });
    const response = await fetch(`${url}events/`, { headers: { authorization: `Bearer ${token}` } });
    const events = parseEvents(response);
    const next = events.next();
    // What its PHP example sends, and what its README does
    assertEquals(await post("emit/", { userId: "*", channel: "chat", payload: 'event: message\ndata: {"a":1}\n' }), [
      200,
      "OK",
    ]);
    assertEquals((await next).value?.data, '{"a":1}');
    assertEquals((await post("emit/", { userId: "1", channel: "chat", payload: "your_data" }))[0], 400);
    assertEquals((await post("token/", { userId: "1", channel: "chat", exp: "x" }))[0], 400);
    assertEquals((await fetch(`${url}events/`)).status, 401);
    const end = (await events.next()).value; // its token ends
    assertEquals([end?.type, end?.data], ["close", '{"reason":"expired"}']);
    assertMatch(hub.stderr, /--secret-file is safer/);
    assert(!hub.stderr.includes(token) && !hub.stdout.includes(token));
  });
});
