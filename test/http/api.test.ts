// The API: status, transactions and their explanations, and the stream of events.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { connect, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { StatusAnswer, TransactionsAnswer } from '../../src/http/answers.ts';
import { Feed } from '../../src/http/feed.ts';
import { startHttp } from '../../src/http/server.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import type { Observatory } from '../../src/telemetry/status.ts';
import { BusyObservatory, hostile, record, story, worker } from './busy-observatory.ts';

async function serve(t: TestContext, changes: Partial<Observatory> = {}) {
  const busy = new BusyObservatory(changes);
  const server = await startHttp({
    address: { host: '127.0.0.1', port: 0 },
    observatory: busy.observatory,
    log: silentLog,
  });
  t.after(() => server.close());
  const ask = async (path: string) => {
    const response = await fetch(`http://${server.address}${path}`);
    return { status: response.status, headers: response.headers, body: (await response.json()) as unknown };
  };
  return { busy, server, ask };
}

interface Event {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Listens to the stream, and gives its events one by one. */
async function listen(t: TestContext, address: string) {
  const ending = new AbortController();
  t.after(() => ending.abort());
  const response = await fetch(`http://${address}/api/events`, { signal: ending.signal });
  return { response, events: read(response), leave: () => ending.abort() };
}

async function* read(response: Response): AsyncGenerator<Event> {
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const found = /^event: (\w+)\ndata: (.*)$/.exec(block);
      if (found) yield { event: found[1] ?? '', data: JSON.parse(found[2] ?? '') as Event['data'] };
    }
  }
}

/** The next event of a kind. */
async function next(events: AsyncGenerator<Event>, wanted: string): Promise<Event['data']> {
  for (;;) {
    const { value, done } = await events.next();
    assert.ok(!done, `the stream ended without ${wanted}`);
    if (value.event === wanted) return value.data;
  }
}

test('status tells processes, sums, rates and what is wrong', async (t) => {
  const { busy, ask } = await serve(t);
  for (let i = 0; i < 6; i += 1) busy.tell(record(`a${i}`));
  for (let i = 0; i < 6; i += 1) busy.tell(record(`b${i}`, { replyClass: '4xx' }));
  const { status, headers, body } = await ask('/api/status');
  assert.equal(status, 200);
  assert.equal(headers.get('cache-control'), 'no-store');
  const { ready, workers, totals, rates, problems } = body as StatusAnswer;
  assert.equal(ready, true);
  assert.deepEqual(
    workers.map(({ pid }) => pid),
    [4711, 4712],
  );
  assert.deepEqual(totals, {
    connections: 40,
    pool: { size: 200, idle: 14, busy: 24, waiting: 6, failures: 82 },
    dns: { zone: 240, cached: 96_422, joined: 1824, network: 30_614, failed: 176, entries: 12_240 },
    spool: { memoryBytes: 2_621_440, diskBytes: 104_857_600, messages: 14 },
    residentBytes: 296_000_000,
  });
  assert.equal(rates.minute.transactions, 12);
  assert.deepEqual(rates.minute.replies, { '2xx': 6, '4xx': 6 });
  assert.equal(rates.results.spf?.pass, 12);
  assert.equal(rates.latency.total?.max, 106.4);
  assert.deepEqual(problems, [
    { severity: 'bad', text: "50 % of the last minute's transactions were answered 4xx (6 of 12)" },
    {
      severity: 'warn',
      text: 'listener mailboxes: no destination answers (lmtp+unix:/run/dovecot/lmtp, lmtp://store-2.example.net:24), in 1 of 2 processes',
    },
    { severity: 'warn', text: '6 transactions wait for a connection downstream (24 of 200 busy)' },
  ]);
});

test('where mail cannot pass, the reasons come first; where all is well, there are none', async (t) => {
  const readiness = { ready: false, reasons: ['listener in: no destination answers'] };
  const bad = await serve(t, { readiness: async () => readiness });
  const { problems, ready } = (await bad.ask('/api/status')).body as StatusAnswer;
  assert.equal(ready, false);
  assert.deepEqual(problems[0], { severity: 'bad', text: 'listener in: no destination answers' });
  const good = await serve(t, { status: async () => [worker(1)] });
  assert.deepEqual(((await good.ask('/api/status')).body as StatusAnswer).problems, []);
});

/** What the list of stories has of one. */
const summary = (id: string, time: string) => ({
  id,
  time,
  listener: 'in',
  from: '',
  recipients: 1,
  results: {},
  disposition: 'accept',
});

test('the list has the last transactions, newest first, and stories that are older', async (t) => {
  const old = summary('old', '2020-01-01T00:00:00.000Z');
  const { busy, ask } = await serve(t, { stories: async () => [{ ...old, id: 'a2' }, old] });
  for (const id of ['a1', 'a2', 'a3']) busy.tell(record(id));
  const { transactions } = (await ask('/api/transactions')).body as TransactionsAnswer;
  assert.deepEqual(transactions.map(({ id }) => id).toSorted(), ['a1', 'a2', 'a3', 'old']);
  assert.equal(transactions.at(-1)?.id, 'old');
  assert.equal(transactions[0]?.to, 'anna@example.com');
  assert.equal(transactions[0]?.reply, '250 2.0.0 Ok: queued as 4XyZ1k2lMnz');
  const some = (await ask('/api/transactions?limit=1')).body as TransactionsAnswer;
  assert.equal(some.transactions.length, 1);
  for (const limit of ['0', '-1', '1001', '1.5', 'x', '']) {
    assert.equal((await ask(`/api/transactions?limit=${limit}`)).status, 400, limit);
  }
});

test('a story that is younger than the records stands before them', async (t) => {
  const young = summary('young', new Date(Date.now() + 3_600_000).toISOString());
  const { busy, ask } = await serve(t, { stories: async () => [young] });
  busy.tell(record('a1'));
  const { transactions } = (await ask('/api/transactions')).body as TransactionsAnswer;
  assert.deepEqual(
    transactions.map(({ id }) => id),
    ['young', 'a1'],
  );
});

test('a transaction has its explanation where a story is kept, else its record', async (t) => {
  const { busy, ask } = await serve(t);
  busy.tell(record('with/slash.Q1', hostile));
  assert.deepEqual((await ask(`/api/transactions/${story.id}`)).body, JSON.parse(JSON.stringify(story)));
  const { body } = await ask(`/api/transactions/${encodeURIComponent('with/slash.Q1')}`);
  const { explanation, record: kept } = body as { explanation: unknown; record: { from: string } };
  assert.equal(explanation, null);
  assert.equal(kept.from, hostile.from);
  assert.equal((await ask('/api/transactions/none')).status, 404);
  assert.equal((await ask('/api/transactions/%ff')).status, 400);
});

test('the stream tells the status at once, then each transaction as it ends', async (t) => {
  const { busy, server } = await serve(t);
  const { response, events } = await listen(t, server.address);
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  const status = await next(events, 'status');
  assert.equal(status.ready, true);
  busy.tell(record('live.1', hostile));
  const row = await next(events, 'transaction');
  assert.equal(row.id, 'live.1');
  assert.equal(row.from, hostile.from);
});

test('a flood is told in part, and how much was left out', async (t) => {
  const { busy, server } = await serve(t);
  const { events } = await listen(t, server.address);
  await next(events, 'status');
  for (let i = 0; i < 500; i += 1) busy.tell(record(`flood.${i}`));
  for (let i = 0; i < 50; i += 1) assert.equal((await next(events, 'transaction')).id, `flood.${i}`);
  await next(events, 'status');
  busy.tell(record('after'));
  const after = await next(events, 'transaction');
  assert.equal(after.id, 'after');
  assert.equal(after.omitted, 450);
});

test('processes that do not answer are told of, by the API and in the stream', async (t) => {
  const status = async () => Promise.reject(new Error('no process answers'));
  const { ask, server } = await serve(t, { status });
  const answer = await ask('/api/status');
  assert.equal(answer.status, 503);
  assert.deepEqual(answer.body, { error: 'no process answers' });
  const { events } = await listen(t, server.address);
  assert.deepEqual(await next(events, 'silence'), { error: 'no process answers' });
});

test('twenty may listen; the next one is told so, and there is room when one leaves', async (t) => {
  const { ask, server } = await serve(t);
  const listeners = await Promise.all(Array.from({ length: 20 }, () => listen(t, server.address)));
  for (const { events } of listeners) await next(events, 'status');
  assert.equal((await ask('/api/events')).status, 503);
  const [first] = listeners;
  first?.leave();
  for (;;) {
    const { response, leave } = await listen(t, server.address);
    if (response.status === 200) break;
    leave();
  }
});

test('when nobody listens any more nobody is asked any more', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let asked = 0;
  const feed = new Feed(async () => {
    asked += 1;
    throw new Error('busy');
  });
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  feed.add(response, new AbortController().signal);
  t.mock.timers.tick(2_000);
  await new Promise(setImmediate);
  const before = asked;
  response.emit('close');
  t.mock.timers.tick(10_000);
  await new Promise(setImmediate);
  assert.deepEqual([before, asked], [1, 1]);
});

test('who does not read is dropped, and the others hear on', async (t) => {
  // Half a megabyte a time.
  const workers = Array.from({ length: 500 }, (_, pid) => worker(pid));
  const { busy, server } = await serve(t, { status: async () => workers });
  const [host = '', port = ''] = server.address.split(':');
  const lazy = connect({ host, port: Number(port) });
  lazy.on('error', () => {});
  lazy.pause();
  lazy.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(lazy, 'connect');
  // Whoever comes makes all be told the status, until the lazy one's buffers are full.
  for (let i = 0; i < 60; i += 1) {
    const { events, leave } = await listen(t, server.address);
    await next(events, 'status');
    leave();
  }
  // What had been sent before is still there to be read, but not its end.
  let heard = '';
  lazy.setEncoding('utf8').on('data', (text: string) => {
    heard = (heard + text).slice(-100);
  });
  lazy.resume();
  await once(lazy, 'close');
  assert.doesNotMatch(heard, /0\r\n\r\n$/, 'it was not cut off, but ended in order');
  const { events } = await listen(t, server.address);
  await next(events, 'status');
  busy.tell(record('still'));
  assert.equal((await next(events, 'transaction')).id, 'still');
});

test('when the server closes, streams end and nobody follows any more', async (t) => {
  const { busy, server } = await serve(t);
  assert.equal(busy.followers, 1);
  const { events } = await listen(t, server.address);
  await next(events, 'status');
  const rest = (async () => {
    for await (const _ of events);
  })();
  await server.close();
  // Cut off or ended: either way it is over.
  await rest.catch(() => {});
  assert.equal(busy.followers, 0);
});

test('what is not there is not found', async (t) => {
  const { server } = await serve(t);
  for (const path of [
    '/api',
    '/api/',
    '/api/nothing',
    '/api/status/x',
    '/tsconfig.json',
    '/page/page.js',
    '/%2e%2e/api.ts',
  ]) {
    const response = await fetch(`http://${server.address}${path}`);
    assert.equal(response.status, 404, path);
    await response.body?.cancel();
  }
});
