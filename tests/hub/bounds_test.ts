import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { createHub, type Hub } from "../../src/hub/hub.ts";
import { networkOf } from "../../src/hub/client_address.ts";
import { bearer, token, withHub } from "../support/hub.ts";

/** Opens streams; how many were not told to come back later. They are left again. */
async function opened(asks: readonly Promise<Response>[]): Promise<number> {
  const begun = await Promise.all(asks.map(async (ask) => {
    const reader = (await ask).body!.getReader();
    const { value } = await reader.read();
    return { reader, isOpen: !new TextDecoder().decode(value).startsWith("retry:") };
  }));
  await Promise.all(begun.map(({ reader }) => reader.cancel()));
  return begun.filter(({ isOpen }) => isOpen).length;
}

function asks(hub: Hub, addresses: readonly string[], headers: Record<string, string> = {}): Promise<Response>[] {
  return addresses.map((remoteAddress) =>
    hub.public(new Request("http://hub.example/subscribe/a", { headers }), { remoteAddress })
  );
}

const times = (count: number, address: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => address(i));

describe("A hub's limits, without options", () => {
  const open = { tokens: undefined, anonymous: ["a/**"] };

  it("let one address open 100 streams, and others as many", () =>
    withHub(async (hub) => {
      const one = times(110, () => "192.0.2.1");
      assertEquals(await opened(asks(hub, [...one, "192.0.2.2"])), 101);
      assertEquals(await opened(asks(hub, one)), 100); // those that left are not counted
    }, open));

  it("count a network of IPv6 as one address", () =>
    withHub(async (hub) => {
      assertEquals(await opened(asks(hub, times(110, (i) => `2001:db8:1:2:${i.toString(16)}::1`))), 100);
      assertEquals(await opened(asks(hub, times(110, (i) => `2001:db8:1:${i.toString(16)}::1`))), 110);
    }, open));

  it("do not count whom they cannot tell apart, nor who comes by control", () =>
    withHub(async (hub) => {
      const request = () => new Request("http://localhost/subscribe/a");
      assertEquals(await opened(Array.from({ length: 110 }, () => hub.public(request()))), 110);
      const local = { remoteAddress: "127.0.0.1" };
      assertEquals(await opened(Array.from({ length: 110 }, () => hub.control(request(), local))), 110);
    }, open));

  it("let one user open 100 streams, from whatever addresses", () =>
    withHub(async (hub) => {
      const of = async (sub: string) => bearer(await token({ sub, freshet: { subscribe: ["a/**"] } }));
      const addresses = times(110, (i) => `192.0.2.${i}`);
      const ann = asks(hub, addresses, await of("ann"));
      assertEquals(await opened([...ann, ...asks(hub, ["192.0.2.1"], await of("bob"))]), 101);
    }));
});

describe("networkOf()", () => {
  for (
    const [address, network] of [
      ["192.0.2.1", "192.0.2.1"],
      ["2001:db8::1", "2001:db8:0:0::/64"],
      ["2001:0DB8:0:0:ffff::1", "2001:db8:0:0::/64"],
      ["::1", "0:0:0:0::/64"],
      ["1:2:3:4:5:6:7:8", "1:2:3:4::/64"],
      ["1:2:3:4::", "1:2:3:4::/64"],
      ["fe80::1%eth0", "fe80:0:0:0::/64"],
      ["", ""],
    ] as [string, string][]
  ) {
    it(`takes ${address || "none"} for ${network || "none"}`, () => assertEquals(networkOf(address), network));
  }
});

describe("A body that does not come", () => {
  for (const path of ["/publish/a", "/emit/", "/token/"]) {
    it(`is waited for up to a time, and then answered with 408: ${path}`, { timeout: 30_000 }, async () => {
      await using hub = createHub({ tokens: { secret: "s".repeat(32) }, bodyTimeout: 20 });
      let left = false;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode("half")),
        cancel: () => void (left = true),
      });
      const init: RequestInit & { duplex: "half" } = { method: "POST", body, duplex: "half" };
      const response = await hub.control(new Request(`http://localhost${path}`, init));
      assertEquals([response.status, response.headers.get("connection"), left], [408, "close", true]);
    });
  }
});
