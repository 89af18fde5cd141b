// Mail addresses, IP addresses and host names in a text, without what names a person or a machine.
import { isIP, isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

const hidden = '***';

/** What cannot stand in a local part outside quotes, and so ends one (RFC 5322 §3.2.3). */
const ends = /[\s<>()[\],;:"\\]/;

/** A local part: its first character where it has enough others, so that two people can be told apart. */
export function maskLocalPart(local: string): string {
  return local.length >= 3 && /^[A-Za-z0-9]/.test(local) ? `${local[0]}${hidden}` : hidden;
}

/** An envelope's address; without a domain it is a local part altogether. */
export function maskAddress(address: string): string {
  if (address === '') return address;
  const at = address.lastIndexOf('@');
  return at < 0 ? maskLocalPart(address) : `${maskLocalPart(address.slice(0, at))}${address.slice(at)}`;
}

/** Everything that looks like a mail address, in time that grows with the text's length. */
export function maskAddresses(text: string): string {
  const found: { readonly start: number; readonly end: number }[] = [];
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    const start = quotedStart(text, at) ?? plainStart(text, at);
    // A quoted local part may hold what looked like an address.
    while ((found.at(-1)?.start ?? -1) >= start) found.pop();
    if (start < at) found.push({ start, end: at });
  }
  let masked = '';
  let done = 0;
  for (const { start, end } of found) {
    if (start < done) continue;
    masked += text.slice(done, start) + maskLocalPart(text.slice(start, end));
    done = end;
  }
  return masked + text.slice(done);
}

function plainStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && text[start - 1] !== '@' && !ends.test(text[start - 1] ?? '')) start -= 1;
  return start;
}

/** RFC 5321 §4.5.3.1.1 allows 64 octets; nobody's command line holds more than this. */
const mostQuoted = 1024;

/** Where the quoted string before this `@` begins, if one ends there; a quote after a backslash is part of it. */
function quotedStart(text: string, at: number): number | undefined {
  if (text[at - 1] !== '"') return undefined;
  const least = Math.max(0, at - mostQuoted);
  for (let open = at - 2; open >= least; open--) {
    if (text[open] === '"' && text[open - 1] !== '\\') return open;
  }
  // Rather too much than a part of it.
  return least;
}

/** The network that an address is in: /24, or /48 for IPv6. Loopback stays: it is nobody. */
export function maskIp(ip: string): string {
  // Zones of IPv6 (RFC 4007 §11) may hold more than ipaddr.js reads, and less than nothing that may be told.
  if (!ipaddr.isValid(ip)) return hidden;
  const parsed = ipaddr.process(ip);
  if (parsed.range() === 'loopback') return ip;
  if (parsed instanceof ipaddr.IPv4) return `${parsed.octets.slice(0, 3).join('.')}.0/24`;
  return `${parsed.parts
    .slice(0, 3)
    .map((part) => part.toString(16))
    .join(':')}::/48`;
}

/** Everything that looks like an IP address, or like the name that one has in DNS (RFC 1035 §3.5, RFC 3596 §2.5). */
export function maskIps(text: string): string {
  return text
    .replace(/(?<![\d.])\d{1,3}\.((?:\d{1,3}\.){3}in-addr\.arpa)/gi, `${hidden}.$1`)
    .replace(/(?<![0-9a-f.])(?:[0-9a-f]\.){20}((?:[0-9a-f]\.){12}ip6\.arpa)/gi, `${hidden}.$1`)
    .replace(
      /(?<![0-9A-Za-z:.])(IPv6:)?([0-9a-f:.]{3,})(?:\/\d{1,3})?/gi,
      (whole, prefix = '', found: string) => {
        const ip = found.replace(/[.:]$/, '');
        const known = isIPv6(found) ? found : ip;
        return isIPv6(known) ? `${prefix}${maskIp(known)}${found.slice(known.length)}` : whole;
      },
    )
    .replace(/(?<![\d.*])((?:\d{1,3}\.){3}\d{1,3})(?!\d)(?:\/\d{1,3})?/g, (whole, ip: string) =>
      isIPv4(ip) ? maskIp(ip) : whole,
    );
}

/** A host's name: its last two labels. Before them stands what names the machine, often its address. */
export function maskName(name: string): string {
  const literal = /^\[(IPv6:)?(.*)\]$/i.exec(name);
  if (literal) return isIP(literal[2] ?? '') ? `[${literal[1] ?? ''}${maskIp(literal[2] ?? '')}]` : hidden;
  if (isIP(name)) return maskIp(name);
  const labels = name.replace(/\.$/, '').split('.');
  if (labels.length === 1 || /^\d+$/.test(labels.at(-1) ?? '')) return hidden;
  return labels.length === 2 ? name : `${hidden}.${labels.slice(-2).join('.')}`;
}

/** An address as it stands in a question to a list or to the reverse zone, without the zone. */
export function reversed(ip: string): string {
  const parsed = ipaddr.process(ip);
  if (parsed instanceof ipaddr.IPv4) return parsed.octets.toReversed().join('.');
  const nibbles = parsed.parts.map((part) => part.toString(16).padStart(4, '0')).join('');
  return [...nibbles].reverse().join('.');
}

/** The same with the machine's part left out. */
export function maskReversed(ip: string): string {
  const labels = reversed(ip).split('.');
  return `${hidden}.${labels.slice(labels.length === 4 ? 1 : 20).join('.')}`;
}
