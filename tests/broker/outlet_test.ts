import { assert, assertEquals } from "@std/assert";
import { describe, it, mock } from "node:test";
import type { LeaveHandler, Sink } from "../../mod.ts";
import { textChunk } from "../../src/broker/chunk.ts";
import { Outlet } from "../../src/broker/outlet.ts";
import { turns } from "../support/test_sink.ts";

const CHUNK = textChunk("data: x\n\n");

/** An outlet, its sink, and what its host was told. */
function open(
  own: Partial<Sink> = { bufferedBytes: 0 },
): { outlet: Outlet; sink: Sink; told: string[]; leave: LeaveHandler } {
  const told: string[] = [];
  const outlet = new Outlet({
    drained: () => told.push("drained"),
    left: () => told.push("left"),
    outletClosed: () => told.push("closed"),
  });
  const sink: Sink = Object.assign(Object.create(own), {
    write: own.write ?? (() => {}),
    onceDrained: own.onceDrained ?? ((callback: () => void) => queueMicrotask(callback)),
    end: own.end ?? (() => told.push("end")),
    abort: own.abort ?? (() => told.push("abort")),
  });
  let leave: LeaveHandler = () => {};
  outlet.open((onLeave) => {
    leave = onLeave;
    return sink;
  });
  return { outlet, sink, told, leave: () => leave() };
}

describe("Outlet: write()", () => {
  it("takes nothing before it is open", () => {
    const outlet = new Outlet({ drained() {}, left() {}, outletClosed() {} });
    assertEquals([outlet.write(CHUNK), outlet.buffered, outlet.isOpen], [false, 0, false]);
  });

  it("does not throw what the sink throws: nobody reads, and the host hears of it later", async () => {
    let writes = 0;
    const { outlet, told } = open({
      bufferedBytes: 0,
      write() {
        writes++;
        throw new TypeError("The stream was cancelled");
      },
    });
    assertEquals(outlet.write(CHUNK), false);
    assertEquals(told, []);
    await turns(1);
    assertEquals(told, ["left"]);
    assertEquals([outlet.write(CHUNK), writes], [false, 1]);
  });

  it("does not call back when the sink says in the middle of it that nobody reads", async () => {
    let leave: LeaveHandler = () => {};
    const told: string[] = [];
    const outlet = new Outlet({ drained() {}, left: () => told.push("left"), outletClosed() {} });
    outlet.open((onLeave) => {
      leave = onLeave;
      return { bufferedBytes: 0, write: () => leave(), onceDrained() {}, end() {}, abort() {} };
    });
    assertEquals(outlet.write(CHUNK), false);
    assertEquals(told, []);
    await turns(1);
    leave();
    await turns(1);
    assertEquals(told, ["left"]);
  });

  it("does not throw what the sink throws when it is asked what it holds", async () => {
    const { outlet, told } = open({
      get bufferedBytes(): number {
        throw new Error("gone");
      },
    });
    assertEquals(outlet.buffered, 0);
    assertEquals(told, []);
    await turns(1);
    assertEquals(told, ["left"]);
    outlet.end(CHUNK);
    assertEquals(told, ["left", "closed"]);
  });

  it("takes nothing after the end", () => {
    let writes = 0;
    const { outlet, told } = open({ bufferedBytes: 0, write: () => void writes++ });
    outlet.end(CHUNK);
    assertEquals([outlet.write(CHUNK), writes], [false, 1]);
    outlet.end(CHUNK);
    outlet.abort();
    outlet.drop();
    assertEquals(told, ["end", "closed"]);
  });
});

describe("Outlet: awaitDrain()", () => {
  it("asks the sink once, and tells the host", async () => {
    let asked = 0;
    let callback = (): void => {};
    let bufferedBytes = 10;
    const { outlet, told } = open({
      get bufferedBytes() {
        return bufferedBytes;
      },
      onceDrained: (onDrained) => {
        asked++;
        callback = onDrained;
      },
    });
    outlet.awaitDrain();
    outlet.awaitDrain();
    assertEquals(asked, 1);
    bufferedBytes = 0;
    callback();
    callback();
    assertEquals(told, ["drained"]);
    outlet.awaitDrain();
    assertEquals(asked, 2);
    outlet.drop();
    callback();
    await turns(1);
    assertEquals(told, ["drained", "closed"]);
  });

  it("tells the host later, though the sink calls back at once", async () => {
    const { outlet, told } = open({ bufferedBytes: 10, onceDrained: (callback) => callback() });
    outlet.awaitDrain();
    assertEquals(told, []);
    await turns(1);
    assertEquals(told, ["drained"]);
  });

  it("survives a sink that throws", async () => {
    const { outlet, told } = open({
      bufferedBytes: 0,
      onceDrained() {
        throw new Error("closed");
      },
    });
    outlet.awaitDrain();
    await turns(1);
    assertEquals(told, ["left"]);
  });
});

describe("Outlet: end()", () => {
  it("is over when what is buffered has left, and not before", () => {
    let drained = (): void => {};
    const { outlet, told } = open({ bufferedBytes: 10, onceDrained: (callback) => void (drained = callback) });
    outlet.end();
    assertEquals(told, ["end"]);
    drained();
    assertEquals(told, ["end", "closed"]);
  });

  it("is over after a second, without what the client has not taken", () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const { outlet, told } = open({ bufferedBytes: 10, onceDrained: () => {} });
      outlet.end();
      mock.timers.tick(999);
      assertEquals(told, ["end"]);
      mock.timers.tick(1);
      assertEquals(told, ["end", "abort", "closed"]);
    } finally {
      mock.timers.reset();
    }
  });

  it("is over when the client leaves meanwhile", () => {
    const { outlet, told, leave } = open({ bufferedBytes: 10, onceDrained: () => {} });
    outlet.end();
    leave();
    assertEquals(told, ["end", "closed"]);
  });

  it("is over when the sink throws", () => {
    const { outlet, told } = open({
      bufferedBytes: 0,
      end() {
        throw new TypeError("The stream is errored");
      },
    });
    outlet.end();
    assertEquals(told, ["closed"]);
  });

  it("ends a sink that comes after it", () => {
    const told: string[] = [];
    const outlet = new Outlet({ drained() {}, left() {}, outletClosed: () => told.push("closed") });
    outlet.end(CHUNK);
    outlet.open(() => ({
      bufferedBytes: 0,
      write: () => told.push("write"),
      onceDrained() {},
      end: () => told.push("end"),
      abort() {},
    }));
    assertEquals(told, ["closed", "end"]);
  });

  it("is told who left while the sink was being made", async () => {
    const told: string[] = [];
    const outlet = new Outlet({ drained() {}, left: () => told.push("left"), outletClosed() {} });
    outlet.open((leave) => {
      leave();
      return { bufferedBytes: 0, write: () => told.push("write"), onceDrained() {}, end() {}, abort() {} };
    });
    assertEquals(outlet.write(CHUNK), false);
    await turns(1);
    assertEquals(told, ["left"]);
  });
});

describe("Outlet: isStalled()", () => {
  it("counts beats since the last progress, however little that was", () => {
    let bufferedBytes = 900;
    const { outlet } = open({
      get bufferedBytes() {
        return bufferedBytes;
      },
    });
    for (let i = 0; i < 100; i++) outlet.write(CHUNK);
    for (; bufferedBytes > 0; bufferedBytes--) assert(!outlet.isStalled(2));
    assert(!outlet.isStalled(2)); // all has left
    bufferedBytes = 10;
    assertEquals([1, 2, 3, 4].map(() => outlet.isStalled(2)), [false, false, true, true]);
  });

  it("sees progress though the sink also holds what frames a chunk", () => {
    let bufferedBytes = 0;
    const { outlet } = open({
      write: ({ bytes }) => void (bufferedBytes += bytes.length + 6),
      get bufferedBytes() {
        return bufferedBytes;
      },
    });
    for (let i = 0; i < 100; i++) {
      outlet.write(CHUNK);
      assert(!outlet.isStalled(2));
      bufferedBytes -= 1;
      assert(!outlet.isStalled(2));
    }
  });

  it("never holds for a loop in the same process, or with nothing to send", () => {
    const loop = open({ inProcess: true, bufferedBytes: 10 }).outlet;
    const idle = open().outlet;
    for (let i = 0; i < 9; i++) assertEquals([loop, idle].map((outlet) => outlet.isStalled(1)), [false, false]);
  });
});

describe("Outlet: a sink that is wrong", () => {
  for (const held of [NaN, undefined, -1, "many"]) {
    it(`has nobody who reads if it says that it holds ${held}`, async () => {
      const { outlet, told } = open({ bufferedBytes: held as number });
      assertEquals([outlet.buffered, outlet.write(CHUNK)], [0, false]);
      await turns(1);
      assertEquals(told, ["left"]);
    });
  }

  it("does not keep others waiting if it drains at once and holds as much as before", async () => {
    let asked = 0;
    const { outlet } = open({
      bufferedBytes: 1e9,
      onceDrained(callback) {
        asked++;
        queueMicrotask(callback);
      },
    });
    const again = new Outlet({ drained: () => again.awaitDrain(), left() {}, outletClosed() {} });
    again.open(() => ({
      bufferedBytes: 1e9,
      write() {},
      onceDrained(callback) {
        asked++;
        queueMicrotask(callback);
      },
      end() {},
      abort() {},
    }));
    again.awaitDrain();
    await turns(3); // it would never come to be
    assert(asked >= 2);
    again.drop();
    outlet.drop();
  });
});
