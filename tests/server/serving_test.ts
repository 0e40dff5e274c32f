import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it, mock } from "node:test";
import { Broker, createHandler } from "../../mod.ts";
import { Serving } from "../../src/server/serving.ts";
import type { ServeHandler, ServeInfo, ServeOptions } from "../../src/server/serve_options.ts";
import { settle } from "../support/settle.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const INFO = { remoteAddress: "127.0.0.1" } as unknown as ServeInfo;
const request = (): Request => new Request("http://localhost/");

/** What an adapter does, but for the network: `told` has its calls. */
function start(options: ServeOptions = {}, handler: ServeHandler = () => new Response("x")) {
  const told: string[] = [];
  const stopped = Promise.withResolvers<void>();
  const serving = new Serving(handler, options);
  const server = serving.server("http://localhost/", () => {
    told.push("stop");
    return stopped.promise;
  }, () => void told.push("cut"));
  return { serving, server, told, stopped: () => stopped.resolve() };
}

describe("Serving: answers", () => {
  it("with the handler's response, or with that of onError", async () => {
    const errors: string[] = [];
    const onError = (error: unknown): Response | undefined => {
      errors.push((error as Error).message);
      return errors.length === 1 ? new Response("mine", { status: 503 }) : undefined;
    };
    const answers: ServeHandler[] = [
      () => new Response("x"),
      () => Promise.reject(new Error("thrown")),
      () => "text" as unknown as Response,
      () => Response.error(),
    ];
    const statuses: number[] = [];
    const texts: string[] = [];
    let answer = answers[0]!;
    const { serving } = start({ onError }, (request, info) => answer(request, info));
    for (answer of answers) {
      const response = await serving.respond(request(), INFO);
      statuses.push(response.status);
      texts.push(await response.text());
    }
    assertEquals(statuses, [200, 503, 500, 500]);
    assertEquals(texts, ["x", "mine", "Internal Server Error", "Internal Server Error"]);
    assertEquals([errors.length, errors[0]], [3, "thrown"]);
  });

  it("with 500 where onError throws or is not given, and says so on the console", () => {
    const said = mock.method(console, "error", () => {});
    const [mine, yours] = [new Error("mine"), new Error("yours")];
    const onError = (): never => {
      throw yours;
    };
    assertEquals([start().serving.failed(mine).status, start({ onError }).serving.failed(mine).status], [500, 500]);
    said.mock.restore();
    assertEquals(said.mock.calls.map(({ arguments: [error] }) => error), [mine, yours]);
  });

  it("only with a closeTimeout that is a number", () => {
    assertThrows(() => start({ closeTimeout: -1 }), RangeError);
  });
});

describe("Serving: closes", () => {
  it("once: stops, ends its streams, and waits for the rest", async () => {
    await using broker = new Broker();
    const handler = createHandler(broker, { topics: "a" });
    const { serving, server, told, stopped } = start({ closeTimeout: Infinity }, handler);
    for (let i = 0; i < 2; i++) await serving.respond(request(), INFO);
    assertEquals(broker.stats().subscribers, 2);
    const closing = server.close();
    assert(server.close() === closing && server[Symbol.asyncDispose]() === closing);
    await settle();
    assertEquals([told, broker.stats().subscribers], [["stop"], 0]);
    let isClosed = false;
    void closing.then(() => isClosed = true);
    await settle();
    assertEquals(isClosed, false);
    stopped();
    await closing;
    assertEquals(told, ["stop"]);
    // Whoever is answered now is told to come back
    const late = await serving.respond(request(), INFO);
    assertEquals([broker.stats().subscribers, late.status], [0, 200]);
  });

  it("cuts what is under way after closeTimeout, and not after it has stopped", async () => {
    using clock = new VirtualClock();
    const { server, told, stopped } = start();
    const closing = server.close();
    await settle();
    clock.advance(1_999);
    assertEquals(told, ["stop"]);
    clock.advance(1);
    assertEquals(told, ["stop", "cut"]);
    stopped();
    await closing;
    const quick = start({ closeTimeout: 10 });
    quick.stopped();
    await quick.server.close();
    clock.advance(1_000);
    assertEquals(quick.told, ["stop"]);
  });

  it("after onClosing, whose error harms nothing, and with an error of the runtime's", async () => {
    await using broker = new Broker();
    const errors: unknown[] = [];
    const mine = new Error("mine");
    const options: ServeOptions = {
      onClosing: () => {
        assertEquals(broker.stats().subscribers, 1);
        throw mine;
      },
      onError: (error) => void errors.push(error),
    };
    const { serving, server, stopped } = start(options, createHandler(broker, { topics: "a" }));
    await serving.respond(request(), INFO);
    stopped();
    await server.close();
    assertEquals([errors, broker.stats().subscribers], [[mine], 0]);
    const failing = new Serving(() => new Response(), {}).server("", () => Promise.reject(mine), () => {});
    assertEquals(await assertRejects(() => failing.close()), mine);
  });

  it("when its signal is aborted, also if it was before, and listens to it no longer", async () => {
    const controller = new AbortController();
    const first = start({ signal: controller.signal });
    const second = start({ signal: controller.signal });
    const removed = mock.method(controller.signal, "removeEventListener");
    second.stopped();
    await second.server.close();
    assertEquals([removed.mock.callCount(), removed.mock.calls[0]!.arguments[0]], [1, "abort"]);
    assertEquals([first.told, second.told], [[], ["stop"]]);
    controller.abort();
    await settle();
    assertEquals([first.told, second.told], [["stop"], ["stop"]]);
    first.stopped();
    await first.server.close();
    const third = start({ signal: controller.signal });
    await settle();
    assertEquals(third.told, ["stop"]);
    third.stopped();
    await third.server.close();
  });

  it("for a signal with an error of the runtime's, which goes to onError", async () => {
    const errors: unknown[] = [];
    const [controller, mine] = [new AbortController(), new Error("mine")];
    const options: ServeOptions = { signal: controller.signal, onError: (error) => void errors.push(error) };
    new Serving(() => new Response(), options).server("", () => Promise.reject(mine), () => {});
    controller.abort();
    await settle();
    assertEquals(errors, [mine]);
  });
});
