// Lists of networks: whether an address of either family belongs to one (ipaddr.js).
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

/** The same clients come again and again, and to read their addresses takes longer than to look them up. */
const mostKnown = 1000;
/** No address is longer (RFC 4291 §2.2, with a zone); what is longer is not kept. */
const maxAddressLength = 64;

/**
 * A list of networks from the configuration: addresses and CIDR blocks of both families.
 * IPv4-mapped IPv6 addresses count as the IPv4 addresses they carry, on both sides.
 */
export class Networks {
  readonly #blocks: readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[];
  readonly #known = new LRUCache<string, boolean>({ max: mostKnown });

  /**
   * @param texts e.g. `10.0.0.0/8`, `::1`, `192.0.2.7`
   * @throws {Error} for a text that is neither address nor block, naming it
   */
  constructor(texts: readonly string[]) {
    this.#blocks = texts.map(parseNetwork);
  }

  /** Whether the address is in one of the networks; an address that cannot be read is in none. */
  includes(address: string): boolean {
    if (this.#blocks.length === 0) return false;
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const included = this.#find(address);
    if (address.length <= maxAddressLength) this.#known.set(address, included);
    return included;
  }

  #find(address: string): boolean {
    const text = inHexadecimal(address);
    if (!ipaddr.isValid(text)) return false;
    const parsed = ipaddr.process(text);
    return this.#blocks.some(
      ([network, bits]) =>
        network.kind() === parsed.kind() && parsed.match([network, bits] as [ipaddr.IPv6, number]),
    );
  }
}

/** Whether it is an IPv6 address. That there is no colon in it is seen sooner than that it is none. */
export function isIPv6(address: string): boolean {
  return address.includes(':') && isIP(address) === 6;
}

/**
 * An address as every reader understands it: ipaddr.js reads `::192.0.2.1` as if it were IPv4-mapped. It is not
 * (RFC 4291 §2.5.5.1): whoever comes from `::127.0.0.1` is not this host.
 */
export function inHexadecimal(address: string): string {
  const quad = /^::([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$/
    .exec(address)
    ?.slice(1)
    .map(Number);
  if (!quad || quad.some((octet) => octet > 255)) return address;
  const [a = 0, b = 0, c = 0, d = 0] = quad;
  return `::${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

function parseNetwork(text: string): readonly [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const cidr = /^(.*)\/([0-9]{1,3})$/.exec(text);
  const addressText = inHexadecimal(cidr?.[1] ?? text);
  const complete = addressText.includes(':')
    ? ipaddr.IPv6.isValid(addressText)
    : ipaddr.IPv4.isValidFourPartDecimal(addressText);
  if (!complete) throw new Error(`${JSON.stringify(text)} is no address or network in CIDR notation`);
  const parsed = ipaddr.parse(addressText);
  const width = parsed.kind() === 'ipv4' ? 32 : 128;
  const bits = cidr?.[2] === undefined ? width : Number(cidr[2]);
  if (bits > width) throw new Error(`${JSON.stringify(text)} has a prefix length over ${width}`);
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() && bits >= 96) {
    return [parsed.toIPv4Address(), bits - 96];
  }
  return [parsed, bits];
}
