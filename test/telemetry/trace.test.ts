// The trace: how many stories it keeps, how much memory they take, and what a transaction of the proxy leaves in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Explanation } from '../../src/authentication/story/explanation.ts';
import { type NewStory, Trace } from '../../src/telemetry/trace.ts';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

const roomy = 1_000_000;

function story(id: string, changes: Partial<NewStory['record']> = {}, explanation: unknown = []): NewStory {
  const record = {
    listener: 'in',
    from: 'a@example.com',
    recipients: [{ to: 'b@example.net' }],
    results: { spf: 'pass', dkim: 'pass,fail' },
    disposition: 'accept',
    ...changes,
  };
  return { id, time: '2026-01-05T10:00:00.000Z', record, explanation };
}

const ids = (trace: Trace) => trace.list().map(({ id }) => id);

test('the last stories are kept, newest first, and the oldest are forgotten', () => {
  const trace = new Trace({ keep: 3, maxBytes: roomy });
  for (const id of ['A', 'B', 'C', 'D', 'E']) trace.add(story(id));
  assert.deepEqual(ids(trace), ['E', 'D', 'C']);
  assert.equal(trace.get('B'), undefined);
  assert.equal(trace.get('C')?.id, 'C');
});

test('a list tells each story in short, and get all of it', () => {
  const trace = new Trace({ keep: 3, maxBytes: roomy });
  trace.add(story('A', { reason: 'because' }, [{ check: 'spf' }]));
  assert.deepEqual(trace.list(), [
    {
      id: 'A',
      time: '2026-01-05T10:00:00.000Z',
      listener: 'in',
      from: 'a@example.com',
      recipients: 1,
      results: { spf: 'pass', dkim: 'pass,fail' },
      disposition: 'accept',
    },
  ]);
  assert.equal(trace.get('A')?.record.reason, 'because');
  assert.deepEqual(trace.get('A')?.explanation, [{ check: 'spf' }]);
});

test('bytes are bounded as well: a long story pushes out several short ones', () => {
  const trace = new Trace({ keep: 100, maxBytes: 20_000 });
  for (let i = 0; i < 5; i++) trace.add(story(`short ${i}`));
  trace.add(story('long', {}, 'x'.repeat(18_000)));
  assert.deepEqual(ids(trace), ['long']);
  for (let i = 0; i < 5; i++) trace.add(story(`later ${i}`));
  assert.ok(!ids(trace).includes('long'));
  assert.equal(ids(trace).length, 5);
});

test('a story that alone is too large is not kept, and takes nothing away', () => {
  const trace = new Trace({ keep: 100, maxBytes: 20_000 });
  trace.add(story('A'));
  trace.add(story('huge', {}, 'x'.repeat(30_000)));
  assert.deepEqual(ids(trace), ['A']);
});

test('the same id again replaces the story, and its bytes are counted once', () => {
  const trace = new Trace({ keep: 2, maxBytes: 20_000 });
  trace.add(story('A'));
  for (let i = 0; i < 50; i++) trace.add(story('B', { disposition: `${i}` }, 'x'.repeat(8000)));
  assert.deepEqual(ids(trace), ['B', 'A']);
  assert.equal(trace.list()[0]?.disposition, '49');
});

test('what strangers chose is short in a list', () => {
  const trace = new Trace({ keep: 1, maxBytes: roomy });
  trace.add(story('A', { from: 'x'.repeat(5000) }));
  assert.ok((trace.list()[0]?.from.length ?? 0) < 400);
  assert.equal(trace.get('A')?.record.from, 'x'.repeat(5000));
});

test('nothing is kept where nothing is to be kept', () => {
  const trace = new Trace({ keep: 0, maxBytes: roomy });
  trace.add(story('A'));
  assert.deepEqual(trace.list(), []);
});

const plan = {
  zone: { 'example.com': { TXT: ['v=spf1 ip4:192.0.2.10 -all'] } },
  settings: { trace: { keep: 2 } },
};

/** Says all of it at once, and waits for the reply to the final dot. */
async function send(client: RawClient, from: string): Promise<void> {
  const commands = `XFORWARD ADDR=192.0.2.10 HELO=client.example.com\r\nMAIL FROM:<${from}>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n`;
  client.send(commands);
  for (let i = 0; i < 4; i++) await client.reply();
  assert.match((await client.ask('From: a@example.com\r\n\r\nbody\r\n.'))[0] ?? '', /^250 /);
}

test('with trace.keep the proxy keeps the story of each judged message', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using proxy = await RunningProxy.start({
    ...plan,
    listener: { destinations: [downstream.destination] },
  });
  using client = await RawClient.connect(proxy.address);
  await client.line();
  await client.ask('EHLO upstream.example');
  for (const name of ['one', 'two', 'three']) await send(client, `${name}@example.com`);
  const list = proxy.trace.list();
  assert.deepEqual(
    list.map(({ from, recipients, disposition, results }) => [from, recipients, disposition, results.spf]),
    [
      ['three@example.com', 1, 'accept', 'pass'],
      ['two@example.com', 1, 'accept', 'pass'],
    ],
  );
  const newest = proxy.trace.get(list[0]?.id ?? '');
  assert.equal(newest?.record.id, proxy.transactions().at(-1)?.id);
  const spf = (newest?.explanation as Explanation | undefined)?.find(({ check }) => check === 'spf');
  assert.deepEqual(
    spf?.questions.map(({ name, type, answer }) => [name, type, answer]),
    [['example.com', 'TXT', [['v=spf1 ip4:192.0.2.10 -all']]]],
  );
});

test('a transaction that was not judged leaves no story', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using proxy = await RunningProxy.start({
    ...plan,
    listener: { destinations: [downstream.destination] },
  });
  using client = await RawClient.connect(proxy.address);
  await client.line();
  await client.ask('EHLO upstream.example');
  await client.ask('MAIL FROM:<a@example.com>');
  await client.ask('RSET');
  assert.equal(proxy.transactions().length, 1);
  assert.deepEqual(proxy.trace.list(), []);
});

test('without trace.keep nothing is kept', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using proxy = await RunningProxy.start({
    zone: plan.zone,
    listener: { destinations: [downstream.destination] },
  });
  using client = await RawClient.connect(proxy.address);
  await client.line();
  await client.ask('EHLO upstream.example');
  await send(client, 'a@example.com');
  assert.equal(proxy.transactions().length, 1);
  assert.deepEqual(proxy.trace.list(), []);
});
