// A stand-in for the HTTP server of a running Postern: answers what a test gives it.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { Row, Status } from '../../src/top/answers.ts';

const window = (perSecond: number) => ({
  seconds: 10,
  transactions: 10 * perSecond,
  perSecond,
  dispositions: { accept: 9 * perSecond, quarantine: perSecond },
  replies: { '2xx': 9 * perSecond, '4xx': perSecond },
});

const listener = (name: string, reachable = true): Status['workers'][number]['listeners'][number] => ({
  name,
  mode: 'after-queue',
  connections: 3,
  pool: { size: 50, idle: 4, busy: 2, waiting: 1, failures: 5 },
  destinations: ['smtp://127.0.0.1:10026'],
  reachable,
});

/** Two processes with one listener each, the same. */
export const status: Status = {
  time: '2026-01-05T10:00:00.000Z',
  ready: true,
  problems: [],
  workers: [1, 2].map(() => ({ listeners: [listener('inbound')], eventLoop: { p50: 1, p99: 2.5 } })),
  totals: {
    dns: { zone: 0, cached: 60, joined: 15, network: 25, failed: 2, entries: 40 },
    spool: { memoryBytes: 3 * 1024 * 1024, diskBytes: 0, messages: 7 },
    residentBytes: 200 * 1024 * 1024,
  },
  rates: {
    now: window(12),
    minute: window(11),
    quarterHour: window(10),
    results: { spf: { pass: 80, fail: 20 }, dkim: { pass: 70, none: 30 } },
    latency: { total: { p50: 9.4, p90: 30.2, p99: 120.7, max: 300 } },
  },
};

export const row: Row = {
  time: '2026-01-05T09:59:58.000Z',
  from: 'alice@example.com',
  to: 'bob@example.net',
  recipients: 2,
  results: { spf: 'pass', dkim: 'pass', dmarc: 'fail' },
  disposition: 'accept',
  reply: '250 2.0.0 queued',
};

/** What is answered; by path. */
export type Answers = Readonly<Record<string, unknown>>;

/** A running stand-in. */
export class Site implements AsyncDisposable {
  answers: Answers;
  /** Status of all answers. */
  code = 200;
  readonly requests: IncomingMessage[] = [];
  readonly #server = createServer((request, response) => {
    this.requests.push(request);
    const path = new URL(request.url ?? '', 'http://x').pathname;
    const answer = this.answers[path];
    response.writeHead(answer === undefined ? 404 : this.code, { Location: 'http://127.0.0.1:1/' });
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? 'nothing'));
  });

  private constructor(answers: Answers) {
    this.answers = answers;
  }

  static async start(
    given: { readonly status?: unknown; readonly transactions?: readonly Row[] } = {},
  ): Promise<Site> {
    const { transactions = [row] } = given;
    const site = new Site({
      '/api/status': given.status ?? status,
      '/api/transactions': { transactions },
    });
    site.#server.listen(0, '127.0.0.1');
    await once(site.#server, 'listening');
    return site;
  }

  get url(): URL {
    const address = this.#server.address();
    return new URL(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
