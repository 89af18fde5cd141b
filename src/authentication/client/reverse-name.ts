// A client's address: read, compared, and as DNS knows it, its octets or nibbles from right to left.
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** An address of either family; IPv4-mapped ones are IPv4. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** @returns undefined for what is no address */
export function parseAddress(text: string | undefined): Address | undefined {
  // ipaddr.js alone would take "1" for 0.0.0.1; a zone index means something on its own host only.
  const address = text?.replace(/%.*$/s, '') ?? '';
  return isIP(address) === 0 ? undefined : ipaddr.process(address);
}

/** Whether both texts are the same address, in whatever form either is written. */
export function isSameAddress(one: string, other: string): boolean {
  // As nearly all are written alike; to read them takes longer.
  if (one === other && isIP(one) !== 0) return true;
  const address = parseAddress(one);
  return address !== undefined && address.toNormalizedString() === parseAddress(other)?.toNormalizedString();
}

/** The name that has the address's PTR records (RFC 1035 §3.5, RFC 3596 §2.5). */
export function reverseName(address: Address): string {
  return `${reversed(address)}.${address.kind() === 'ipv4' ? 'in-addr' : 'ip6'}.arpa`;
}

/** `10.2.0.192`, or 32 nibbles: what stands before the name of a zone (RFC 5782 §2.1, §2.4). */
export function reversed(address: Address): string {
  const bytes = address.toByteArray().reverse();
  if (address.kind() === 'ipv4') return bytes.join('.');
  return bytes
    .flatMap((byte) => [byte & 15, byte >> 4])
    .map((nibble) => nibble.toString(16))
    .join('.');
}
