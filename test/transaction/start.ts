// A transaction with settings that a test may change, and what it left in the log.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { Authentication, type AuthenticationRun } from '../../src/authentication/authentication.ts';
import { checksSchema } from '../../src/authentication/checks.ts';
import { Policy } from '../../src/policy/policy.ts';
import { policySchema } from '../../src/policy/schema.ts';
import { type PathArgument, parsePathArgument } from '../../src/smtp/path.ts';
import { describeReply } from '../../src/smtp/reply.ts';
import type { DownstreamPool } from '../../src/transaction/downstream.ts';
import type { Pipelined } from '../../src/transaction/pipelined.ts';
import {
  Transaction,
  type TransactionSettings,
  type TransactionStart,
} from '../../src/transaction/transaction.ts';
import { zoneResolver } from '../authentication/judge.ts';

export interface Recorded {
  readonly level: 'info' | 'warn';
  readonly event: string;
  readonly fields: Record<string, unknown>;
}

/** Judges against an empty zone, without the network. */
export const noChecks = { iprev: false, spf: false, dkim: false, arc: false, dmarc: false };

export function authenticationOptions(checks: unknown = noChecks, zone: unknown = {}) {
  return {
    authservId: 'mx.example.org',
    hostname: 'mx.example.org',
    checks: checksSchema.parse(checks),
    customChecks: [],
    receivedSpf: false,
    listener: 'test',
    networks: { local: [], trusted: [], map: [] },
    removal: { authservIds: ['mx.example.org'], remove: [], alsoIn: [], keepRemoved: false },
    explain: false,
    resolver: zoneResolver(zone),
    report: (error: unknown, check: string) => assert.fail(`${check}: ${error}`),
  };
}

/** One whose runs differ from real ones as the test says. */
export class ChangedAuthentication extends Authentication {
  readonly #change: (run: AuthenticationRun) => Partial<AuthenticationRun>;
  override readonly proposes: boolean;

  /** @param proposes whether it says that a check may propose something */
  constructor(change: (run: AuthenticationRun) => Partial<AuthenticationRun>, proposes = false) {
    super(authenticationOptions());
    this.#change = change;
    this.proposes = proposes;
  }

  override begin(subject: Parameters<Authentication['begin']>[0]): AuthenticationRun {
    const run = super.begin(subject);
    return { ...run, ...this.#change(run) };
  }
}

export interface Changes extends Partial<Omit<TransactionSettings, 'limits' | 'pool'>> {
  readonly limits?: Partial<TransactionSettings['limits']>;
  readonly protocol?: TransactionStart['protocol'];
}

export const mailLine = 'MAIL FROM:<a@example.com>';
export const rcptLine = (name: string) => `RCPT TO:<${name}@example.net>`;
export const body = 'From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n';

/** A transaction, driven with command lines as upstream sends them. */
export class Driven {
  readonly transaction: Transaction;
  readonly events: Recorded[] = [];

  constructor(pool: DownstreamPool, { limits, protocol = 'smtp', ...changes }: Changes = {}) {
    const settings: TransactionSettings = {
      listener: 'test',
      mode: 'before-queue',
      hostname: 'mx.example.org',
      envelope: 'passthrough',
      bareNewlines: 'normalize',
      spool: { memoryBytes: 1024 * 1024, directory: tmpdir() },
      pool,
      authentication: new Authentication(authenticationOptions()),
      policy: new Policy(policySchema.parse({})),
      writeRecord: (level, event, fields) => {
        this.events.push({ level, event, fields });
      },
      ...changes,
      limits: { recipients: 10, messageBytes: 1_000_000, headerBytes: 100_000, answerMs: 10_000, ...limits },
    };
    this.transaction = new Transaction(settings, {
      id: 'T1',
      protocol,
      extended: true,
      encrypted: false,
      client: { ip: '192.0.2.1', helo: 'client.example.com' },
      xforward: new Map(),
    });
  }

  /** @param pipelined what comes together with it */
  async mail(line = mailLine, pipelined?: Pipelined): Promise<string> {
    return describeReply(await this.transaction.mail(line, pathOf(line), pipelined));
  }

  async rcpt(name = 'one'): Promise<string> {
    return describeReply(await this.transaction.rcpt(rcptLine(name), pathOf(rcptLine(name))));
  }

  data(): string {
    return describeReply(this.transaction.data());
  }

  async write(text = body): Promise<void> {
    await this.transaction.write(Buffer.from(text, 'latin1'));
  }

  async finish(): Promise<string[]> {
    return (await this.transaction.finish()).map(describeReply);
  }

  /** MAIL, a RCPT for each name, DATA and the content. */
  async upToDot(names: readonly string[] = ['one'], text = body): Promise<void> {
    assert.match(await this.mail(), /^250 /);
    for (const name of names) assert.match(await this.rcpt(name), /^250 /);
    assert.match(this.data(), /^354 /);
    await this.write(text);
  }

  /** The transaction's own lines in the log. */
  get records(): readonly Record<string, unknown>[] {
    return this.events.filter(({ event }) => event === 'transaction').map(({ fields }) => fields);
  }

  /** The one line that there must be. */
  get record(): Record<string, unknown> {
    assert.equal(this.records.length, 1, 'one line for a transaction');
    return this.records[0] ?? {};
  }

  /** Stages of the failures in the log. */
  get failures(): unknown[] {
    return this.events
      .filter(({ event }) => event === 'transaction failure')
      .map(({ fields }) => fields.stage);
  }
}

function pathOf(line: string): PathArgument {
  const path = parsePathArgument(line.slice(line.indexOf(':') + 1));
  assert.ok(typeof path !== 'string', String(path));
  return path;
}
