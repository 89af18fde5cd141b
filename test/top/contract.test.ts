// `postern top` and the HTTP server understand each other: the real API, read by the real reader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHttp } from '../../src/http/server.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import type { WorkerStatus } from '../../src/telemetry/status.ts';
import { lookOnce } from '../../src/top/command.ts';
import { fakeObservatory } from '../http/fake-observatory.ts';

const worker: WorkerStatus = {
  pid: 4711,
  startedAt: '2026-01-05T10:00:00.000Z',
  listeners: [
    {
      name: 'inbound',
      address: '127.0.0.1:10025',
      mode: 'after-queue',
      connections: 3,
      pool: { size: 50, idle: 4, busy: 2, waiting: 1, failures: 5 },
      destinations: ['smtp://127.0.0.1:10026'],
      reachable: true,
    },
  ],
  dns: { zone: 0, cached: 1, joined: 0, network: 1, failed: 0, entries: 1 },
  spool: { memoryBytes: 1024, diskBytes: 0, messages: 1 },
  residentBytes: 1024 * 1024,
  eventLoop: { p50: 1, p99: 2 },
};

const record = {
  id: 'abc',
  listener: 'inbound',
  from: 'alice@example.com',
  recipients: [{ to: 'bob@example.net', reply: '250 2.1.5 Ok' }],
  client: { ip: '192.0.2.10' },
  results: { spf: 'pass', dmarc: 'fail' },
  disposition: 'accept',
  replies: ['250 2.0.0 queued'],
  milliseconds: { total: 12 },
};

test('what the API answers is what top shows, with the token that it wants', async () => {
  const server = await startHttp({
    address: { host: '127.0.0.1', port: 0 },
    token: 'correct-horse-battery',
    observatory: fakeObservatory({
      status: async () => [worker],
      follow: (hear) => hear(record),
    }),
    log: silentLog,
  });
  try {
    const site = { url: new URL(`http://${server.address}/`), token: 'correct-horse-battery' };
    const { signal } = new AbortController();
    const report = await lookOnce(site, 120, signal);
    assert.match(report, /^postern {2}127\.0\.0\.1:\d+ {2}ready {2}1 process /);
    assert.match(report, /^inbound +3 +2 +4 +50 +1 +5 {2}smtp:/m);
    assert.match(
      report,
      /alice@example\.com +bob@example\.net +dmarc=fail spf=pass +accept 250 2\.0\.0 queued/,
    );
    await assert.rejects(lookOnce({ url: site.url }, 80, signal), { kind: 'permission' });
  } finally {
    await server.close();
  }
});
