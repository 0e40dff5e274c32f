import { openStranger } from "./channel.ts";
import { Choices } from "./choices.ts";
import { comesTrue, runningTimers, wait } from "./own_timers.ts";
import { PATIENCE_MS, Scene } from "./scene.ts";
import { caught } from "./uncaught.ts";

const STEPS = {
  "publish": 14,
  "flood": 0.1,
  "connect": 3,
  "come back": 4,
  "stall": 4,
  "resume": 4,
  "leave": 3,
  "kick": 1,
  "abort": 1,
  "fail the store": 2,
  "release the store": 2,
  "delay the tail": 1,
  "lose events": 0.2,
  "stranger": 1,
  "unread response": 0.3,
  "restart the server": 0.3,
  "restart the broker": 0.3,
};

const STRANGERS = [
  "HEAD /stranger HTTP/1.1\nhost: x\n\n",
  "POST /stranger HTTP/1.1\nhost: x\ncontent-length: 5\n\nhello",
  "GET /stranger HTTP/1.1\nhost: x\nlast-event-id: ~none.17\n\n",
  "GET /throws HTTP/1.1\nhost: x\n\n",
  "GET /nowhere HTTP/1.1\nho",
  "nonsense\n\n",
];

/** What a run came to. */
export interface RunResult {
  readonly failures: readonly string[];
  readonly steps: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

/** One run: a tenth of a second or three of what may happen, then peace, in which everybody must get everything; then the end. */
export async function run(seed: number): Promise<RunResult> {
  const choices = new Choices(seed);
  const scene = new Scene(choices);
  const strangers: Promise<void>[] = [];
  caught.length = 0;
  await scene.openServer();
  for (let left = choices.integer(4, 10); left > 0; left--) scene.addClient();
  for (let left = choices.integer(40, 120); left > 0 && caught.length === 0; left--) {
    await step(scene, choices, strangers);
    scene.check();
    if (choices.chance(0.5)) await wait(choices.integer(0, 4));
  }
  await settle(scene);
  await end(scene, strangers);
  for (const error of caught) scene.fail(`uncaught: ${error}`);
  const counts: Record<string, number> = { runs: 1, published: scene.log.end };
  for (const { model, connections } of scene.clients) {
    add(counts, "received", model.received);
    add(counts, "connections", connections);
    for (const [reason, count] of Object.entries(model.gaps)) add(counts, `gap ${reason}`, count);
  }
  for (const [reason, count] of Object.entries(scene.ends)) add(counts, `end ${reason}`, count);
  return { failures: scene.failures, steps: scene.steps, counts };
}

export function add(counts: Record<string, number>, name: string, count: number): void {
  counts[name] = (counts[name] ?? 0) + count;
}

async function step(scene: Scene, choices: Choices, strangers: Promise<void>[]): Promise<void> {
  const { clients, store } = scene;
  const client = choices.pick(clients);
  switch (choices.weighted(STEPS)) {
    case "publish": {
      const count = choices.pick([1, 1, 2, 5, 20]);
      scene.say(`${count} publishes`);
      for (let i = 0; i < count; i++) scene.publish();
      return;
    }
    case "flood":
      scene.say("publishes more than is held for those who are slow");
      return scene.flood();
    case "connect":
      return clients.length < 20 ? scene.addClient() : undefined;
    case "come back":
      return client.isAway ? client.connect() : undefined;
    case "stall":
      scene.say(`${client.name} stalls`);
      return client.stall();
    case "resume":
      scene.say(`${client.name} reads on`);
      return client.resume();
    case "leave":
      return client.channel === undefined ? undefined : client.leave(choices.pick(["destroy", "reset", "half-close"]));
    case "kick":
      scene.say(`${client.name} is kicked`);
      return void client.subscriber?.close("kicked", { retry: choices.pick([undefined, 2]) });
    case "abort":
      scene.say(`${client.name} is aborted`);
      return client.abort();
    case "fail the store": {
      const call = choices.pick(["append", "read", "tail", "locate", "seek", "removed"] as const);
      const fault = choices.pick(
        ["rejects", "is uncertain", "late", "answers late", "hangs", "never answers"] as const,
      );
      const times = choices.integer(1, 3);
      scene.say(`the next ${times} of the store's ${call}: ${fault}`);
      return store.fail(call, fault, times);
    }
    case "release the store":
      return store.release();
    case "delay the tail":
      scene.say("the tail hands over late");
      return store.delayTail(choices.integer(2, 30));
    case "lose events":
      return store.jump() ? scene.say("the tail has lost events") : undefined;
    case "stranger":
      strangers.push(openStranger(scene.url, choices.pick(STRANGERS), choices.pick(["connect", "data"])).closed);
      return;
    case "unread response":
      return scene.keepUnread();
    case "restart the server":
      return await scene.restartServer();
    case "restart the broker":
      return scene.restartBroker();
  }
}

/** Nothing fails any more: every client must get everything, up to an event that is published now. */
async function settle(scene: Scene): Promise<void> {
  scene.calm();
  const { clients, log } = scene;
  const from = log.end;
  const late = Date.now() + PATIENCE_MS;
  for (let turn = 0; scene.failures.length + caught.length === 0; turn++) {
    if (turn % 50 === 0) scene.publishLast();
    const waiting = clients.filter(({ model }) => log.end === from || !model.hasReached(from + 1));
    if (waiting.length === 0) break;
    if (Date.now() > late) {
      for (const { status } of waiting) {
        scene.fail(`never got what was published last: ${status}; the log ends at ${log.end}`);
      }
    }
    for (const client of waiting) {
      client.resume();
      if (client.isAway) client.connect();
    }
    await wait(5);
  }
}

/** Closes everything, in an order that is chosen, and looks at what is left. */
async function end(scene: Scene, strangers: readonly Promise<void>[]): Promise<void> {
  const { clients, choices } = scene;
  scene.isOver = true;
  await scene.letGo();
  const order = choices.weighted({ clients: 3, server: 3, broker: 3, store: 1 });
  scene.say(`the end begins with: ${order}`);
  const leave = (): void => clients.forEach((client) => client.leave(choices.pick(["destroy", "reset"])));
  if (order === "clients") {
    leave();
    if (!await comesTrue(() => scene.broker.stats().subscribers === 0, PATIENCE_MS)) {
      scene.fail(`all clients have left, but ${scene.broker.stats().subscribers} subscribers have not`);
    }
  }
  if (order === "broker") await scene.inTime("broker.close()", scene.broker.close());
  await scene.inTime("server.close()", scene.server.close());
  if (order === "store") await scene.closeWhileStoreHangs();
  await scene.inTime("broker.close()", scene.broker.close());
  for (const client of clients) {
    client.resume();
    await scene.inTime(`the end of a connection after the server's: ${client.status}`, client.closed());
  }
  leave();
  await scene.inTime("strangers' connections", Promise.all(strangers));
  await scene.checkNothingIsLeft();
  if (!await comesTrue(() => runningTimers().length === 0, PATIENCE_MS)) {
    scene.fail(`timers are left:\n${runningTimers().join("\n")}`);
  }
}
