// Destinations: where messages go, and how an administrator writes it down.
import { isIPv4, isIPv6 } from 'node:net';

/** A downstream address, its protocol, and what TLS is asked of it. */
export interface Destination {
  readonly protocol: 'smtp' | 'lmtp';
  readonly tls: 'none' | 'starttls' | 'implicit';
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string };
  /** With TLS: the certificate must be valid for the host. */
  readonly verify: boolean;
  /** As configured, for log lines. */
  readonly text: string;
}

const schemes = {
  smtp: { protocol: 'smtp', tls: 'none', port: 25 },
  smtps: { protocol: 'smtp', tls: 'implicit', port: 465 }, // RFC 8314 §7.3 has 465 for submission; smtps is its old name
  lmtp: { protocol: 'lmtp', tls: 'none', port: 24 }, // RFC 2033 §5: never 25
} as const;

/** sun_path has 108 octets on Linux, the last of them NUL (unix(7)). */
const maxPathOctets = 107;

/**
 * Reads a destination: `smtp://host:port`, `smtps://` (implicit TLS), `lmtp://`, `smtp+unix:/path`,
 * `lmtp+unix:/path`. A port may be left out (25, 465, 24); an IPv6 address is in brackets. Behind a
 * TCP address may follow `?starttls=yes` (TLS or no connection) and `?verify=no` (any certificate).
 *
 * @example parseDestination('lmtp://[::1]:24?starttls=yes&verify=no')
 * @returns the destination, or a string that says what is wrong with it
 */
export function parseDestination(text: string): Destination | string {
  const { address = '', query } = /^(?<address>[^?]*)(?:\?(?<query>.*))?$/s.exec(text)?.groups ?? {};
  const unix = /^(smtp|lmtp)\+unix:(.*)$/is.exec(address);
  if (unix) {
    const path = unix[2] ?? '';
    const protocol = unix[1]?.toLowerCase() === 'lmtp' ? 'lmtp' : 'smtp';
    const wrong = query === undefined ? checkPath(path) : 'a UNIX socket takes no options: TLS is for TCP';
    return wrong ?? { protocol, tls: 'none', address: { path }, verify: true, text };
  }
  const [, name = '', authority = ''] = /^([a-z+]+):\/\/(.*)$/is.exec(address) ?? [];
  const scheme = Object.entries(schemes).find(([known]) => known === name.toLowerCase())?.[1];
  if (!scheme) {
    return 'expected smtp://host:port, smtps://host:port, lmtp://host:port, smtp+unix:/path or lmtp+unix:/path';
  }
  const hostAndPort = parseAuthority(authority, scheme.port);
  if (typeof hostAndPort === 'string') return hostAndPort;
  const options = parseOptions(query, scheme.tls);
  if (typeof options === 'string') return options;
  return { protocol: scheme.protocol, address: hostAndPort, ...options, text };
}

function checkPath(path: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (!/^\/[^\x00-\x1f]*[^/\x00-\x1f]$/.test(path))
    return 'the path of a UNIX socket must be absolute: smtp+unix:/path';
  if (Buffer.byteLength(path) > maxPathOctets)
    return `the path of a UNIX socket has more than ${maxPathOctets} octets`;
  return undefined;
}

function parseAuthority(text: string, defaultPort: number): { host: string; port: number } | string {
  if (isIPv6(text)) return `an IPv6 address must be in brackets: [${text}]`;
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(text);
  if (!match) return `not a host and port: ${JSON.stringify(text)}`;
  const [, bracketed, plain = '', portText] = match;
  const host = bracketed ?? plain;
  if (host === '') return 'the host is missing';
  if (bracketed !== undefined ? !isIPv6(host) : !isIPv4(host) && !isHostName(host)) {
    return `not a host name or address: ${JSON.stringify(host)}`;
  }
  const port = portText === undefined ? defaultPort : Number(portText);
  if (portText !== undefined && (!/^[0-9]{1,5}$/.test(portText) || port < 1 || port > 65535)) {
    return `the port must be between 1 and 65535, not ${JSON.stringify(portText)}`;
  }
  return { host, port };
}

/** Letters, digits, hyphens; underscores too, since compose files name their services so. */
function isHostName(host: string): boolean {
  return host.length <= 253 && /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.(?!$)|$|\.$))+$/i.test(host);
}

function parseOptions(
  query: string | undefined,
  schemeTls: 'none' | 'implicit',
): Pick<Destination, 'tls' | 'verify'> | string {
  const options = new Map<string, boolean>();
  for (const option of query?.split('&') ?? []) {
    const [name = '', value = ''] = option.split('=', 2);
    if (name !== 'starttls' && name !== 'verify') {
      return `unknown option ${JSON.stringify(name)}: expected starttls=yes or verify=no`;
    }
    if (value !== 'yes' && value !== 'no') return `${name} must be yes or no, not ${JSON.stringify(value)}`;
    if (options.has(name)) return `${name} is given twice`;
    options.set(name, value === 'yes');
  }
  const starttls = options.get('starttls') ?? false;
  if (starttls && schemeTls === 'implicit') return 'smtps begins with TLS: starttls=yes does not go with it';
  const tls = starttls ? 'starttls' : schemeTls;
  if (tls === 'none' && options.has('verify')) return 'verify needs TLS: smtps://, or starttls=yes as well';
  return { tls, verify: options.get('verify') ?? true };
}
