import { BlockList, isIP } from "node:net";

/** Tells a client's address where trusted proxies stand between: from nobody else's headers. */
export class ClientAddresses {
  readonly #trusted = new BlockList();
  readonly #any: boolean;

  /**
   * @param proxies Addresses and networks, such as `10.0.0.0/8` or `::1`.
   * @throws {TypeError} If one is neither.
   */
  constructor(proxies: readonly string[] = []) {
    this.#any = proxies.length > 0;
    for (const proxy of proxies) {
      const [address = "", bits] = proxy.split("/");
      const version = isIP(address);
      const max = version === 6 ? 128 : 32;
      if (version === 0 || (bits !== undefined && !(/^\d+$/.test(bits) && Number(bits) <= max))) {
        throw new TypeError(`A trusted proxy must be an address or a network such as 10.0.0.0/8: got ${proxy}`);
      }
      this.#trusted.addSubnet(address, Number(bits ?? max), version === 6 ? "ipv6" : "ipv4");
    }
  }

  /**
   * The address that a request comes from: that of the connection, or, where
   * that is a trusted proxy's, the last of `X-Forwarded-For` that is not.
   */
  of(request: Request, info: unknown): string {
    let address = plain((info as { remoteAddress?: string } | undefined)?.remoteAddress ?? "");
    if (!this.#any) return address;
    const forwarded = (request.headers.get("x-forwarded-for") ?? "").split(",").map((part) => plain(part.trim()));
    while (this.#isTrusted(address) && forwarded.length > 0) {
      const next = forwarded.pop()!;
      if (isIP(next) === 0) break;
      address = next;
    }
    return address;
  }

  #isTrusted(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#trusted.check(address, version === 6 ? "ipv6" : "ipv4");
  }
}

/** An IPv4 address in an IPv6 one is that address. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

/** What is counted as one address: of IPv6 a network of 64 bits, as whoever has one of its addresses has them all. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const bare = address.split("%", 1)[0]!; // the zone of a link-local address
  const [head = "", tail] = new URL(`http://[${bare}]/`).hostname.slice(1, -1).split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - groups.length - after.length }, () => "0");
  return `${[...groups, ...zeros, ...after].slice(0, 4).join(":")}::/64`;
}
