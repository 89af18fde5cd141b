// An Observatory of a Postern that has something to do, and to complain about.
import type { Observatory, WorkerStatus } from '../../src/telemetry/status.ts';
import type { Story } from '../../src/telemetry/trace.ts';
import { fakeObservatory } from './fake-observatory.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** Tells those who follow it what the test says. */
export class BusyObservatory {
  readonly #followers = new Set<(record: Fields) => void>();
  readonly observatory: Observatory;

  constructor(changes: Partial<Observatory> = {}) {
    this.observatory = fakeObservatory({
      status: async () => [worker(4711), worker(4712, { reachable: false, waiting: 3 })],
      story: async (id) => (id === story.id ? story : undefined),
      stories: async () => [],
      follow: (hear, signal) => {
        this.#followers.add(hear);
        signal.addEventListener('abort', () => this.#followers.delete(hear), { once: true });
      },
      ...changes,
    });
  }

  /** A transaction has ended. */
  tell(record: Fields): void {
    for (const hear of this.#followers) hear(record);
  }

  get followers(): number {
    return this.#followers.size;
  }
}

export function worker(pid: number, { reachable = true, waiting = 0 } = {}): WorkerStatus {
  const pool = { size: 50, idle: 6, busy: 12, waiting, failures: reachable ? 0 : 41 };
  return {
    pid,
    startedAt: new Date(Date.now() - 5 * 3_600_000).toISOString(),
    listeners: [
      {
        name: 'after-queue',
        address: '127.0.0.1:10025',
        mode: 'after-queue',
        connections: 18,
        pool,
        destinations: ['smtp://127.0.0.1:10026'],
        reachable: true,
      },
      {
        name: 'mailboxes',
        address: 'unix:/run/postern/mailboxes.sock',
        mode: 'before-queue',
        connections: 2,
        pool: { ...pool, busy: 0, idle: reachable ? 2 : 0 },
        destinations: ['lmtp+unix:/run/dovecot/lmtp', 'lmtp://store-2.example.net:24'],
        reachable,
      },
    ],
    dns: { zone: 120, cached: 48_211, joined: 912, network: 15_307, failed: 88, entries: 6_120 },
    spool: { memoryBytes: 1_310_720, diskBytes: 52_428_800, messages: 7 },
    residentBytes: 148_000_000,
    eventLoop: { p50: 0.4, p99: 11.8 },
  };
}

/** A record as the log has it. */
export function record(id: string, changes: Fields = {}): Fields {
  return {
    id,
    listener: 'after-queue',
    mode: 'after-queue',
    client: { ip: '192.0.2.10', name: 'mx.example.org', helo: 'mx.example.org' },
    from: 'newsletter@example.org',
    clientClass: 'stranger',
    results: { iprev: 'pass', spf: 'pass', dkim: 'pass,fail', arc: 'none', dmarc: 'pass' },
    recipients: [{ to: 'anna@example.com', reply: '250 2.1.5 Ok' }],
    sizeBytes: 48_213,
    disposition: 'accept',
    destination: 'smtp://127.0.0.1:10026',
    replies: ['250 2.0.0 Ok: queued as 4XyZ1k2lMnz'],
    replyClass: '2xx',
    milliseconds: { envelope: 4.2, receive: 18.1, authenticate: 61.7, relay: 22.4, total: 106.4 },
    ...changes,
  };
}

/** What a stranger would write to be more than text. */
export const hostile = {
  from: '<img src=x onerror="document.title=1">\u202e\u001b[31m"@evil.example',
  helo: '</script><script>document.title=1</script>',
  reply: '550 5.7.1 <b onmouseover=alert(1)>no</b>\u0000\u2028',
};

const client = { ip: '203.0.113.66', name: 'unknown.example', helo: hostile.helo };

/** The transaction that is explained. */
export const story: Story = {
  id: '6f9c1e2a.4XyZ1k2lMnz',
  time: new Date().toISOString(),
  record: record('6f9c1e2a.4XyZ1k2lMnz', {
    client,
    from: hostile.from,
    listMail: false,
    results: { iprev: 'fail', spf: 'softfail', dkim: 'permerror', dmarc: 'fail' },
    recipients: [
      { to: 'anna@example.com', reply: '250 2.1.5 Ok' },
      { to: 'grüße@example.com', reply: '550 5.1.1 unknown', reason: 'not here' },
    ],
    dmarc: { domain: 'example.org', policy: 'reject' },
    disposition: 'reject',
    reason: 'DMARC policy of example.org',
    replies: [hostile.reply],
    replyClass: '5xx',
    milliseconds: { envelope: 3.1, receive: 9.6, authenticate: 1412.5, relay: 2.2, total: 1427.4 },
  }),
  explanation: [
    {
      check: 'iprev',
      questions: [
        {
          name: '66.113.0.203.in-addr.arpa',
          type: 'PTR',
          startMilliseconds: 0.3,
          milliseconds: 12.4,
          answer: ['host.example'],
        },
        {
          name: 'host.example',
          type: 'A',
          startMilliseconds: 12.8,
          milliseconds: 31.2,
          failure: 'ENOTFOUND',
        },
      ],
      facts: [{ fact: 'names', value: ['host.example'] }],
      results: [
        {
          method: 'iprev',
          value: 'fail',
          reason: 'no name of it leads back to 203.0.113.66',
          properties: [{ ptype: 'policy', property: 'iprev', value: '203.0.113.66' }],
        },
      ],
    },
    {
      check: 'spf',
      questions: [
        {
          name: 'evil.example',
          type: 'TXT',
          startMilliseconds: 0.4,
          milliseconds: 22.9,
          answer: [['v=spf1 ', 'ip4:192.0.2.0/24 ~all']],
        },
      ],
      facts: [{ fact: 'matched', value: '~all' }],
      results: [
        {
          method: 'spf',
          value: 'softfail',
          comment: hostile.helo,
          properties: [{ ptype: 'smtp', property: 'mailfrom', value: hostile.from }],
        },
      ],
    },
    {
      check: 'dkim',
      questions: [
        {
          name: 'a-very-long-selector-name-2026-11._domainkey.newsletter.marketing.example.org',
          type: 'TXT',
          startMilliseconds: 5.6,
          milliseconds: 1398,
          failure: 'ETIMEOUT',
        },
      ],
      facts: [
        {
          fact: 'signature',
          value: {
            d: 'example.org',
            s: 'x',
            a: 'rsa-sha256',
            bh: 'frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=',
          },
        },
      ],
      omitted: 4,
      results: [
        {
          method: 'dkim',
          value: 'permerror',
          reason: 'no key',
          properties: [{ ptype: 'header', property: 'd', value: 'example.org' }],
        },
      ],
    },
    { check: 'arc', skippedFor: 'local', questions: [], facts: [], results: [] },
    {
      check: 'dmarc',
      questions: [
        {
          name: '_dmarc.example.org',
          type: 'TXT',
          startMilliseconds: 1405.1,
          milliseconds: 8.3,
          answer: [['v=DMARC1; p=reject']],
        },
      ],
      facts: [],
      results: [
        {
          method: 'dmarc',
          value: 'fail',
          properties: [{ ptype: 'header', property: 'from', value: 'example.org' }],
        },
      ],
    },
  ],
};
