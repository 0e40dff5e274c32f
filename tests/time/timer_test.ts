import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Heartbeat } from "../../src/time/heartbeat.ts";
import { Pauses } from "../../src/time/pauses.ts";
import { after, every } from "../../src/time/timer.ts";
import { within } from "../../src/time/within.ts";
import { TOO_LONG, whileTimersFire } from "../support/too_long.ts";

for (const ms of TOO_LONG) {
  describe(`A duration of ${ms} ms`, () => {
    it("does not make after() call at once", async () => {
      let calls = 0;
      const stop = after(ms, () => calls++);
      await whileTimersFire();
      stop();
      assertEquals(calls, 0);
    });

    it("does not make every() call at once", async () => {
      let calls = 0;
      const stop = every(ms, () => calls++);
      await whileTimersFire();
      stop();
      assertEquals(calls, 0);
    });

    it("does not make within() reject at once", async () => {
      const late = Promise.withResolvers<string>();
      const inTime = within(ms, late.promise, "engine");
      inTime.catch(() => {}); // seen below
      await whileTimersFire();
      late.resolve("in time");
      assertEquals(await inTime, "in time");
    });

    it("does not end a pause at once, but with its owner", async () => {
      const pauses = new Pauses();
      let ended = false;
      const pause = pauses.wait(ms).then(() => ended = true);
      await whileTimersFire();
      assertEquals(ended, false);
      pauses.end();
      await pause;
    });

    it("does not make a heartbeat beat at once", async () => {
      let beats = 0;
      const heartbeat = new Heartbeat<string>(ms, () => beats++);
      heartbeat.add("member");
      await whileTimersFire();
      heartbeat.clear();
      assertEquals(beats, 0);
    });
  });
}

describe("after()", () => {
  it("calls later, for 0 as well", async () => {
    const calls: string[] = [];
    await new Promise<void>((resolve) => {
      after(0, () => {
        calls.push("called");
        resolve();
      });
      calls.push("returned");
    });
    assertEquals(calls, ["returned", "called"]);
  });

  it("calls no more once it is stopped", async () => {
    let calls = 0;
    const stop = after(0, () => calls++);
    stop();
    await whileTimersFire();
    assertEquals(calls, 0);
  });
});
