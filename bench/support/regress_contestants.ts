/** The side of the regression bench that measures: it starts the programs, and is the clients of those that are servers. */
import { type Client, eventCounter, openClients } from "./bun_clients.ts";
import { Child } from "./child.ts";

/** What a round gave: how much was done a second, where that is measured, and what each cost: processor time in µs, or bytes. */
export interface Round {
  readonly perSecond: number | undefined;
  readonly cost: number;
}

/** A program that was started; rounds may be asked for again and again. */
export interface Contestant {
  round(): Promise<Round>;
  stop(): Promise<void>;
}

/** Which tree, on what. */
export interface Where {
  /** The tree's folder. */
  readonly root: string;
  /** What runs it. */
  readonly runtime: string;
  /** Which of the tree's adapters serves. */
  readonly adapter: string;
}

interface Started {
  readonly port: number;
  readonly resume: string;
}

interface Measured {
  readonly work: number;
  readonly ms: number;
  /** In µs. */
  readonly cpu: number;
}

/** How long to let a server finish what it does after a round, in milliseconds. */
const SETTLE_MS = 100;
/** What the first connections load is not theirs: so many come and go before memory is measured. */
const WARM_CLIENTS = 200;

/** A case without sockets. */
export async function inProcess(where: Where, name: string): Promise<Contestant> {
  const { child } = await start(where, name, 0);
  return { round: async () => roundOf(await child.ask<Measured>("round")), stop: () => child.exit() };
}

/** Clients that are connected all the time, the last of which tells what has arrived. */
export async function fanOut(
  where: Where,
  name: string,
  { clients, perTurn = 1, pathOf }: { clients: number; perTurn?: number; pathOf: (i: number) => string },
): Promise<Contestant> {
  const { child, port } = await start(where, name, clients);
  const count = eventCounter();
  let counted = 0;
  let before = 0; // the first block is no event of ours
  let acked = 0;
  const onData = (bytes: Uint8Array): void => {
    counted = count(bytes);
    for (; acked < Math.floor((counted - before) / perTurn); acked++) child.tell("ack");
  };
  const sockets = await openClients(clients - 1, (i) => ({ port, path: pathOf(i) }));
  sockets.push(...await openClients(1, () => ({ port, path: pathOf(clients - 1), onData })));
  await settle();
  before = counted;
  acked = 0;
  return {
    async round() {
      const round = roundOf(await child.ask<Measured>("round"));
      await settle();
      return round;
    },
    async stop() {
      await child.exit();
      end(sockets);
    },
  };
}

/** Clients that come back in each round, all at once, and read until they have what they missed. */
export async function resuming(where: Where, name: string, clients: number): Promise<Contestant> {
  const { child, port, resume } = await start(where, name, clients);
  return {
    async round() {
      child.tell("round");
      let missing = clients;
      const all = Promise.withResolvers<void>();
      const sockets = await openClients(clients, () => ({
        port,
        lastEventId: resume,
        onData: untilText("the last", () => --missing === 0 && all.resolve()),
      }));
      await all.promise;
      child.tell("ack");
      const round = roundOf(await child.answer<Measured>());
      end(sockets);
      await settle();
      return round;
    },
    stop: () => child.exit(),
  };
}

/** What a connection that is sent nothing holds. One round, as memory that was held once may stay with the process. */
export async function idle(where: Where, name: string, clients: number): Promise<Contestant> {
  const { child, port } = await start(where, name, clients);
  const memory = async (): Promise<number> => {
    for (let i = 0; i < 2; i++) await child.ask("rss");
    await settle(1_000);
    return (await child.ask<{ rss: number }>("rss")).rss;
  };
  const path = "/?topic=global";
  end(await openClients(WARM_CLIENTS, () => ({ port, path })));
  const sockets: Client[] = [];
  return {
    async round() {
      const before = await memory();
      sockets.push(...await openClients(clients, () => ({ port, path })));
      return { perSecond: undefined, cost: (await memory() - before) / clients };
    },
    async stop() {
      await child.exit();
      end(sockets);
    },
  };
}

async function start(
  { root, runtime, adapter }: Where,
  name: string,
  clients: number,
): Promise<Started & { readonly child: Child }> {
  const child = new Child(runtime, "bench/support/regress_program.ts", [root, adapter, name, String(clients)]);
  return { child, ...await child.answer<Started>() };
}

function roundOf({ work, ms, cpu }: Measured): Round {
  return { perSecond: work * 1_000 / ms, cost: cpu / work };
}

function settle(ms = SETTLE_MS): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function end(sockets: readonly Client[]): void {
  for (const socket of sockets) socket.end();
}

/** Calls when the end of what has come has some text in it, of 20 bytes at most. */
function untilText(text: string, callback: () => void): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder("latin1");
  let tail = "";
  return (bytes) => {
    tail = (tail + decoder.decode(bytes.subarray(-40))).slice(-60);
    if (tail.includes(text)) callback();
  };
}
