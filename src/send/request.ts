// From the command line of `postern send` to what is to be sent, and to whom.
import { hostname } from 'node:os';
import { type Destination, parseDestination } from '../relay/destination.ts';
import { controlCharacter } from '../smtp/path.ts';
import { type XforwardAttributes, type XforwardName, xforwardNames } from '../smtp/xforward.ts';
import { parseTime, timeForm } from '../units.ts';
import type { Delivery } from './conversation.ts';
import { SendError } from './error.ts';

/** The command line, read but not checked. */
export interface SendOptions {
  readonly server: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly lmtp?: boolean;
  readonly tls?: 'starttls' | 'implicit';
  readonly insecure?: boolean;
  readonly helo?: string;
  readonly timeout: string;
  readonly subject?: string;
  readonly body?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly xforwardName?: string;
  readonly xforwardAddr?: string;
  readonly xforwardPort?: string;
  readonly xforwardProto?: string;
  readonly xforwardHelo?: string;
  readonly xforwardIdent?: string;
  readonly xforwardSource?: string;
}

/**
 * Reads the options.
 *
 * @throws {SendError}
 */
export function readOptions(options: SendOptions): Omit<Delivery, 'message'> {
  const { from, to, helo = hostname(), timeout } = options;
  const timeoutMs = parseTime(timeout);
  if (timeoutMs === undefined || timeoutMs === 0) throw wrong('--timeout', `expected ${timeForm}`);
  if (helo === '' || /[^\x21-\x7e]/.test(helo))
    throw wrong('--helo', 'expected a name or an address literal');
  const sender = readAddress('--from', from);
  const recipients = to.map((address) => readAddress('--to', address));
  if (recipients.includes('')) throw wrong('--to', 'expected an address');
  return {
    destination: readServer(options),
    helo,
    xforward: readXforward(options),
    from: sender,
    to: recipients,
    timeoutMs,
  };
}

/** A destination as in the configuration, or `host:port` and `unix:/path`. */
function readServer({ server, lmtp, tls, insecure }: SendOptions): Destination {
  const hasScheme = /^[a-z]+(?:\+unix:|:\/\/)/i.test(server);
  if (hasScheme && lmtp) throw wrong('--lmtp', 'the server says its protocol itself; leave one of them out');
  const protocol = lmtp ? 'lmtp' : 'smtp';
  const unix = server.startsWith('unix:');
  const text = hasScheme ? server : unix ? `${protocol}+${server}` : `${protocol}://${server}`;
  const destination = parseDestination(text);
  if (typeof destination === 'string') {
    throw wrong('--server', hasScheme ? destination : `${destination} (or host:port, or unix:/path)`);
  }
  const mode = tls ?? destination.tls;
  const verify = destination.verify && insecure !== true;
  return { ...destination, tls: mode, verify, text: server };
}

function readAddress(option: string, text: string): string {
  const address = /^<(.*)>$/s.exec(text)?.[1] ?? text;
  if (controlCharacter.test(address) || /[<>\t]/.test(address))
    throw wrong(option, `${text} is not an address`);
  return address;
}

function readXforward(options: SendOptions): XforwardAttributes {
  const values: Readonly<Record<XforwardName, string | undefined>> = {
    NAME: options.xforwardName,
    ADDR: options.xforwardAddr,
    PORT: options.xforwardPort,
    PROTO: options.xforwardProto,
    HELO: options.xforwardHelo,
    IDENT: options.xforwardIdent,
    SOURCE: options.xforwardSource,
  };
  const attributes = new Map<XforwardName, string | undefined>();
  for (const name of xforwardNames) {
    const value = values[name];
    if (value === undefined) continue;
    if (value === '') throw wrong(`--xforward-${name.toLowerCase()}`, 'expected a value, or [UNAVAILABLE]');
    const known = value.toUpperCase() !== '[UNAVAILABLE]';
    attributes.set(name, known ? Buffer.from(value, 'utf8').toString('latin1') : undefined);
  }
  return attributes;
}

function wrong(option: string, what: string): SendError {
  return new SendError('usage', `${option}: ${what}`);
}
