// One message judged against a zone: what the tests of the checks have in common.
import assert from 'node:assert/strict';
import {
  Authentication,
  type AuthenticationOptions,
  type AuthenticationRun,
  type Client,
  type Outcome,
  type Upstream,
} from '../../src/authentication/authentication.ts';
import { checksSchema } from '../../src/authentication/checks.ts';
import { type DnsOptions, Resolver } from '../../src/dns/resolver.ts';
import { parseZone } from '../../src/dns/zone.ts';
import { HeaderCollector } from '../../src/message/header-section.ts';

/** A resolver that knows the zone and nothing else. */
export function zoneResolver(zone: unknown, options: Partial<DnsOptions> = {}): Resolver {
  const parsed = parseZone(zone);
  assert.ok(!Array.isArray(parsed), `mistakes in the zone: ${String(parsed)}`);
  return new Resolver({
    timeoutMs: 1000,
    tries: 1,
    zone: parsed as ReadonlyMap<string, never>,
    zoneOnly: true,
    cache: { entries: 100, maxAgeMs: 60_000, failureAgeMs: 1000 },
    transactionMs: 2000,
    ...options,
  });
}

export interface Case {
  readonly zone?: unknown;
  readonly client?: Client;
  readonly from?: string;
  readonly recipients?: readonly string[];
  readonly upstream?: Upstream;
  readonly message?: string | Buffer;
  readonly checks?: unknown;
  readonly smtputf8?: boolean;
  readonly options?: Partial<AuthenticationOptions>;
  /** Bytes written at once; default: all. */
  readonly chunk?: number;
}

export function authentication(given: Case): Authentication {
  return new Authentication({
    authservId: 'mx.example.org',
    hostname: 'mx.example.org',
    checks: checksSchema.parse(given.checks ?? {}),
    customChecks: [],
    receivedSpf: false,
    listener: 'test',
    networks: { local: ['10.0.0.0/8', '::1'], trusted: ['203.0.113.0/24'], map: [] },
    removal: { authservIds: ['mx.example.org'], remove: [], alsoIn: [], keepRemoved: false },
    explain: false,
    resolver: zoneResolver(given.zone),
    report: (error, check) => assert.fail(`${check}: ${error}`),
    ...given.options,
  });
}

export async function judge(given: Case): Promise<Outcome> {
  const run = authentication(given).begin({
    client: given.client ?? { ip: '192.0.2.10', helo: 'client.example.com' },
    smtputf8: given.smtputf8 ?? false,
    ...(given.upstream && { upstream: given.upstream }),
  });
  await run.mail(given.from ?? 'alice@example.com');
  for (const recipient of given.recipients ?? []) {
    await run.rcpt(recipient);
    run.accepted(recipient);
  }
  const message = Buffer.from(given.message ?? plain);
  await feed(run, message, given.chunk);
  return run.finish();
}

/** Gives a message to a run as a transaction does: header section, then the body in pieces. */
export async function feed(run: AuthenticationRun, message: Buffer, size = message.length): Promise<void> {
  const collector = new HeaderCollector(message.length);
  for (let at = 0; at < message.length; at += Math.max(size, 1)) {
    const piece = message.subarray(at, at + Math.max(size, 1));
    const known = collector.complete;
    const headerBytes = collector.push(piece);
    if (!known && collector.complete) run.header(collector.section().fields);
    const body = piece.subarray(headerBytes);
    if (body.length > 0) run.body(body);
  }
  if (!collector.complete) run.header(collector.section().fields);
}

/** @returns the results as `method=value`, in order */
export function values(outcome: Outcome): string[] {
  return outcome.results.map(({ method, value }) => `${method}=${value}`);
}

/** @returns the first Authentication-Results, unfolded, without the field's name */
export function unfolded(outcome: Outcome): string {
  return (outcome.fields[0] ?? '')
    .replace(/\r\n(?=[ \t])/g, '')
    .replace(/^[^:]*: |\r\n$/g, '')
    .replace(/ +/g, ' ');
}

export const plain = [
  'From: Alice <alice@example.com>',
  'To: bob@example.net',
  'Subject: hello',
  'Date: Mon, 5 Jan 2026 10:00:00 +0000',
  'Message-ID: <1@example.com>',
  '',
  'A body.',
  '',
].join('\r\n');
