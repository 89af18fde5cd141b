// The kinds of values that a configuration is made of, each read from its text.
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { z } from 'zod';
import { type Destination, parseDestination } from '../relay/destination.ts';
import { Networks } from '../smtp/networks.ts';
import type { LogOutput } from '../telemetry/log-output.ts';
import { parseSize, parseTime, sizeForm, timeForm } from '../units.ts';
import type { SocketAddress, TcpAddress } from './configuration.ts';
import { show, wrong } from './mistakes.ts';

/**
 * A text that is read by `parse`, which gives undefined for what it does not understand.
 *
 * @param pattern for editors, by way of the JSON Schema: it takes whatever `parse` takes, and may take more
 */
function text<T>(noun: string, form: string, pattern: RegExp, parse: (value: string) => T | undefined) {
  const schema = z
    .string({ error: (issue) => wrong(issue.input, noun, form) })
    .meta({ pattern: pattern.source });
  return schema.transform((value, context): T => {
    const parsed = parse(value);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: 'custom', message: wrong(value, noun, form) });
    return z.NEVER;
  });
}

const sizePattern = /^[0-9]{1,15} ?(?:B|kB|KB|MB|GB|KiB|MiB|GiB)?$/;
const timePattern = /^[0-9]{1,15} ?(?:ms|s|m|h|d)$/;
const networkPattern = /^[0-9A-Fa-f:.]+(?:%[^\s/]+)?(?:\/[0-9]{1,3})?$/;
const hostPattern = /^(?:\[[^\]]+\]|[A-Za-z0-9._-]{1,253})$/;
const tcpPattern = /^(?:\[[^\]]+\]|[^:[\]]+):[0-9]{1,5}$/;

/** A size, to bytes; `least` and `most` are bytes too. */
export function size(least = 1, most = Number.MAX_SAFE_INTEGER) {
  const error = (issue: { readonly input?: unknown }) => wrong(issue.input, 'a size', sizeForm);
  return z
    .union([z.string().meta({ pattern: sizePattern.source }), z.number().meta({ unit: 'bytes' })], { error })
    .transform((value, context): number => {
      const bytes = parseSize(value);
      if (bytes !== undefined && bytes >= least && bytes <= most) return bytes;
      context.addIssue({ code: 'custom', message: sizeMistake(value, bytes, least, most) });
      return z.NEVER;
    });
}

function sizeMistake(value: string | number, bytes: number | undefined, least: number, most: number): string {
  if (bytes === undefined) return wrong(value, 'a size', sizeForm);
  return bytes < least
    ? `${show(value)} is too small; expected at least ${least} bytes`
    : `${show(value)} is too large; expected at most ${most} bytes`;
}

/** A time, to milliseconds. A number without a unit is refused. */
export function time(least = 1) {
  const form = least > 0 ? `${timeForm}, and more than nothing` : timeForm;
  return text('a time', form, timePattern, (value) => {
    const ms = parseTime(value);
    return ms !== undefined && ms >= least ? ms : undefined;
  });
}

/** A whole number. */
export function count(least: number, most: number) {
  const form = `a whole number from ${least} to ${most}`;
  const error = (issue: { readonly input?: unknown }) => wrong(issue.input, form);
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** A network or a single address, checked and kept as written. */
export const network = text(
  'a network',
  'an address or a network such as 10.0.0.0/8 or "fc00::/7"',
  networkPattern,
  (value) => {
    try {
      new Networks([value]);
      return value;
    } catch {
      return undefined;
    }
  },
);

/** A single address. */
export const address = text('an address', 'an IPv4 or IPv6 address', networkPattern, (value) =>
  isIP(value) === 0 ? undefined : value,
);

const hostNameForm = 'a name such as mx.example.com, or an address in brackets';

/** A name as EHLO takes it: a domain, or an address literal (RFC 5321 §4.1.3). */
export const hostName = text('a host name', hostNameForm, hostPattern, (value) => {
  const literal = /^\[(?:IPv6:)?([0-9a-fA-F:.]+)\]$/.exec(value);
  const known = literal ? isIP(literal[1] ?? '') !== 0 : isHostName(value);
  return known ? value : undefined;
});

/** The same, or else the machine's own name, which may be any text. */
export const hostNameOrOwn = hostName.optional().transform((name, context): string => {
  if (name !== undefined) return name;
  const own = hostname();
  if (isHostName(own)) return own;
  const message = `missing, and this machine’s own name, ${show(own)}, is not a host name; expected ${hostNameForm}`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

function isHostName(value: string): boolean {
  return value.length <= 253 && /^(?!-)[A-Za-z0-9_-]{1,63}(?:\.(?!-)[A-Za-z0-9_-]{1,63})*\.?$/.test(value);
}

const tokenPattern = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,253}$/;

/** An authserv-id: a token, so that it needs no quotes anywhere (RFC 8601 §2.5, RFC 2045 §5.1). */
export const authservId = text('an authserv-id', 'a name such as example.com', tokenPattern, (value) =>
  tokenPattern.test(value) ? value : undefined,
);

const accountForm = 'a name or a number';
const accountError = (issue: { readonly input?: unknown }) => wrong(issue.input, 'a name', accountForm);

/** A user or a group of the system; whether there is one is looked up when the rest is known to be good. */
export const account = z.union(
  [
    z.int().min(0).max(0xffff_fffe),
    z.string().regex(/^(?!-)[A-Za-z0-9._-]{1,32}\$?$/, { error: accountError }),
  ],
  { error: accountError },
);

const modeForm = 'three octal digits for owner, group and others such as "0660", the owner’s 6 or 7';

/**
 * Permissions, to their number. YAML reads 0660 as 660 and 0o660 as 432: digits are taken as octal ones, and
 * what would take the right to connect from the owner, as the second does, is refused.
 */
export const fileMode = z
  .union([z.string(), z.number()], { error: (issue) => wrong(issue.input, 'a mode', modeForm) })
  .transform((value, context): number => {
    const digits = /^(?:0o?)?([67][0-7]{2})$/.exec(String(value))?.[1];
    if (digits !== undefined) return Number.parseInt(digits, 8);
    context.addIssue({ code: 'custom', message: wrong(value, 'a mode', modeForm) });
    return z.NEVER;
  });

/** Where to listen on TCP. */
export const tcpAddress = text('an address', 'host:port or "[v6]:port"', tcpPattern, parseTcp);

/** Where to listen: TCP or a UNIX socket. */
export const socketAddress = text(
  'an address to listen on',
  'host:port, "[v6]:port", or unix:/path of at most 107 bytes',
  new RegExp(`${tcpPattern.source}|^unix:/.+$`),
  (value): SocketAddress | undefined => {
    const path = /^unix:(\/.*[^/])$/.exec(value)?.[1];
    if (path === undefined) return parseTcp(value);
    // sockaddr_un holds 108 bytes with the final NUL.
    return Buffer.byteLength(path) < 108 && !path.includes('\0') ? { path } : undefined;
  },
);

function parseTcp(value: string): TcpAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return undefined;
  const [, v6, name = ''] = match;
  if (v6 !== undefined) return isIP(v6) === 6 ? { host: v6, port } : undefined;
  const numeric = /^[0-9.]+$/.test(name);
  return (numeric ? isIP(name) === 4 : isHostName(name)) ? { host: name, port } : undefined;
}

/** A name server: an address, with a port when it is not 53. */
export const nameServer = text(
  'a name server',
  'an address, address:port or "[v6]:port"',
  /^[0-9A-Fa-f:.[\]]+(?:%\S+)?$/,
  (value) => {
    if (isIP(value) !== 0) return value;
    const address = parseTcp(value);
    return address && isIP(address.host) !== 0 && address.port > 0 ? value : undefined;
  },
);

/** Where the log goes: a stream of the process, a file, or a syslog server by its address. */
export const logOutput = text(
  'a place for the log',
  'stdout, stderr, /path/of/a/file or syslog://address:port',
  /^(?:stdout|stderr|\/.+|syslog:\/\/.+)$/,
  (value): LogOutput | undefined => {
    if (value === 'stdout' || value === 'stderr') return { kind: value };
    if (/^\/.*[^/]$/.test(value) && !value.includes('\0')) return { kind: 'file', path: value };
    const server = /^syslog:\/\/(.+)$/.exec(value)?.[1] ?? '';
    const bare = isIP(server) === 4 || /^\[.*\]$/.test(server) ? `${server}:514` : server;
    const address = parseTcp(bare);
    return address && isIP(address.host) !== 0 && address.port > 0
      ? { kind: 'syslog', ...address }
      : undefined;
  },
);

/** What a destination looks like, for the text of a mistake. */
export const destinationForm =
  'smtp://host:port, smtps://host:port, lmtp://host:port, smtp+unix:/path or lmtp+unix:/path';

/** A downstream address. */
export const destination = z
  .string({ error: (issue) => wrong(issue.input, 'a destination', destinationForm) })
  // Schemes in capital letters, which nobody writes, are taken too.
  .meta({ pattern: '^(?:(?:smtps?|lmtp)://|(?:smtp|lmtp)\\+unix:/)' })
  .transform((value, context): Destination => {
    const parsed = parseDestination(value);
    if (typeof parsed !== 'string') return parsed;
    const reason = parsed.startsWith('expected ') ? 'not a destination' : parsed;
    context.addIssue({
      code: 'custom',
      message: `${show(value)}: ${reason}; expected ${destinationForm}`,
    });
    return z.NEVER;
  });
