import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type Subscriber } from "../../mod.ts";
import { UnreadSubscribers } from "../../src/server/unread.ts";
import { settle } from "../support/settle.ts";
import { TestSink } from "../support/test_sink.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** Subscribers that are to be read within 10 s, and which of them are still there. */
class Scene implements AsyncDisposable {
  readonly left: string[] = [];
  readonly #broker = new Broker({ heartbeat: 0 });
  readonly #unread: UnreadSubscribers;

  constructor(timeout: number) {
    this.#unread = new UnreadSubscribers(timeout);
  }

  static async start(timeout = 10_000): Promise<Scene> {
    const scene = new Scene(timeout);
    scene.#broker.subscribe("other");
    await settle(); // the broker follows its store, and has no timer any more
    return scene;
  }

  add(name: string): Subscriber {
    const subscriber = this.#broker.subscribe("a");
    subscriber.onceClosed(() => this.left.push(name));
    this.#unread.add(subscriber);
    return subscriber;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.close();
  }
}

describe("UnreadSubscribers", () => {
  it("ends each when its own time is over, and none that is read by then", async () => {
    const scene = await Scene.start();
    {
      using clock = new VirtualClock();
      scene.add("first");
      clock.advance(3_000);
      scene.add("second");
      new TestSink(scene.add("read"));
      clock.advance(4_000);
      scene.add("third");
      clock.advance(2_999);
      assertEquals(scene.left, []);
      clock.advance(1);
      assertEquals(scene.left, ["first"]);
      clock.advance(2_999);
      assertEquals(scene.left, ["first"]);
      clock.advance(1);
      assertEquals(scene.left, ["first", "second"]);
      clock.advance(4_000);
      assertEquals(scene.left, ["first", "second", "third"]);
    }
    await scene[Symbol.asyncDispose]();
  });

  it("has a timer only while there is somebody to look for", async () => {
    const scene = await Scene.start();
    {
      using clock = new VirtualClock();
      assertEquals(clock.timers, 0);
      const [one, two] = [scene.add("one"), scene.add("two")];
      assertEquals(clock.timers, 1);
      await one.close();
      assertEquals(clock.timers, 1);
      await two.close();
      assertEquals(clock.timers, 0);
      scene.add("three");
      assertEquals(clock.timers, 1);
      clock.advance(10_000);
      assertEquals([clock.timers, scene.left], [0, ["one", "two", "three"]]);
    }
    await scene[Symbol.asyncDispose]();
  });

  it("has none where they have any time", async () => {
    for (const timeout of [0, Infinity]) {
      const scene = await Scene.start(timeout);
      {
        using clock = new VirtualClock();
        scene.add("one");
        await settle();
        assertEquals(clock.timers, 0);
      }
      await scene[Symbol.asyncDispose]();
    }
  });
});
