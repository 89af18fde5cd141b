// The programs of the benchmark: a few messages through load generator, relay, Postern and sink, and ledgers that are believed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { agrees, compareLedgers, type Entry, readLedger } from '../../bench/ledger.ts';
import type { RunResult } from '../../bench/load/run.ts';
import { Child } from '../../bench/site/child.ts';
import { Postern } from '../../bench/site/postern.ts';
import { family } from '../../bench/site/processes.ts';
import { Site, type Way } from '../../bench/site/site.ts';
import { wayThrough } from '../../bench/site/warm.ts';

const traffic = { size: '10KB', connections: 3, mode: 'after', count: 10 } as const;
let site: Site;

before(async () => {
  site = await Site.start();
});
after(() => site[Symbol.asyncDispose]());

test('messages arrive, straight and through the relay, over connections that stay and that do not', async () => {
  for (const way of [site.yardsticks.straight, site.yardsticks.relay]) {
    for (const mode of ['after', 'before', 'lmtp'] as const) {
      const { messages, perSecond, latencyMs } = await site.measure(way, { ...traffic, mode });
      assert.equal(messages, 10);
      assert.ok(perSecond > 0 && latencyMs.p50 > 0 && latencyMs.p50 <= latencyMs.max);
    }
  }
});

test('messages arrive through the proxy, with the fields that it adds, over connections that stay', async () => {
  for (const pipelining of [true, false]) {
    const { messages } = await site.measure(site.yardsticks.proxy, { ...traffic, pipelining });
    assert.equal(messages, 10);
  }
  const { above } = await site.sink.ask<{ above: string }>('totals');
  assert.match(above, /^Authentication-Results: .*\r\nReceived: /);
});

test('before the queue each message has a connection of its own, after it connections stay', async () => {
  const connectionsOf = async (mode: 'after' | 'before') => {
    await site.sink.ask('reset');
    await site.measure(site.yardsticks.straight, { ...traffic, mode });
    return (await site.sink.ask<{ connections: number }>('totals')).connections;
  };
  assert.equal(await connectionsOf('after'), traffic.connections);
  const before = await connectionsOf('before');
  // Those that were opened for the last message and did not get it have none.
  assert.ok(before >= traffic.count && before < traffic.count + traffic.connections, `${before}`);
});

test('a connection ends after as many messages as it may carry, and another one takes its place', async () => {
  await site.sink.ask('reset');
  await using load = new Child('load.ts');
  load.tell({
    to: `127.0.0.1:${site.sinkPort}`,
    messages: [await site.material.message('1KB')],
    count: 6,
    messagesPerConnection: 2,
  });
  assert.equal((await load.hear<{ accepted: number }>()).accepted, 6);
  assert.equal((await site.sink.ask<{ connections: number }>('totals')).connections, 3);
});

test('messages arrive through Postern in both modes and in LMTP, and what it has used is known', async () => {
  const { material, sinkPort: downstream } = site;
  await using postern = await Postern.start({ material, downstream, checks: 'all' });
  for (const mode of ['after', 'before', 'lmtp'] as const) {
    const measured = await site.measure(wayThrough(postern), { ...traffic, mode });
    assert.equal(measured.messages, 10);
    assert.ok(measured.residentBytes > 10e6);
  }
  const { above } = await site.sink.ask<{ above: string }>('totals');
  for (const result of wayThrough(postern).results) assert.ok(above.includes(result));
  assert.equal(wayThrough(postern).results.length, 4);
});

test('a Postern of which a worker was replaced does not tell what it has used', async () => {
  const { material, sinkPort: downstream } = site;
  await using postern = await Postern.start({ material, downstream, checks: 'pass' });
  assert.ok(postern.cpuMs > 0);
  const [primary = 0, worker = 0] = postern.pids;
  process.kill(worker, 'SIGKILL');
  while (family(primary).includes(worker)) await wait(10);
  assert.throws(() => postern.cpuMs, /Postern had processes .*, and has/);
});

test('a benchmark of messages that were not given their results fails', async () => {
  const way: Way = { ...site.yardsticks.straight, results: ['spf=pass'] };
  await assert.rejects(site.measure(way, traffic), /^Error: 10 messages lack some of spf=pass/);
});

test('the sink answers the content for each recipient where it is greeted in LMTP, in SMTP for all, and its ledger says for how many', async () => {
  await using sink = new Child(
    'sink.ts',
    JSON.stringify({ protocol: 'either', refuse: [{ at: 'CONTENT', reply: '452 4.3.1 full', every: 2 }] }),
  );
  const { listening } = await sink.hear<{ listening: number }>();
  await using load = new Child('load.ts');
  const ledger = join(site.directory, 'two.sent');
  const stored = join(site.directory, 'two.stored');
  const messages = [await site.material.message('1KB')];
  const plan = {
    to: `127.0.0.1:${listening}`,
    messages,
    rcptTo: ['<a>', '<b>'],
    count: 1,
    patience: 5,
    ledger,
  };
  await sink.ask(`ledger ${stored}`);
  const sent: Entry[] = [];
  for (const protocol of ['lmtp', 'smtp', 'smtp']) {
    load.tell({ ...plan, protocol, idPrefix: `two${sent.length}` });
    await load.hear();
    for await (const entry of readLedger(ledger)) sent.push(entry);
  }
  assert.deepEqual(
    sent.map(({ outcome }) => outcome),
    ['250,452', '250,250', '452,452'],
  );
  await sink.ask('totals');
  const comparison = await compareLedgers(sent, readLedger(stored));
  assert.equal(comparison.stored, 2);
  assert.ok(agrees(comparison), JSON.stringify(comparison));
});

test('a sink can take its time and refuse', async () => {
  await using sink = new Child(
    'sink.ts',
    JSON.stringify({ refuse: [{ at: 'CONTENT', reply: '452 4.2.2 full', every: 3 }] }),
  );
  const { listening: port } = await sink.hear<{ listening: number }>();
  await using load = new Child('load.ts');
  const plan = { to: `127.0.0.1:${port}`, messages: [await site.material.message('1KB')], count: 6 };
  load.tell(plan);
  const { accepted, refused } = await load.hear<RunResult>();
  assert.deepEqual({ accepted, refused }, { accepted: 4, refused: 2 });
  await sink.ask({ slow: { contentMs: 50 } });
  load.tell(plan);
  const slow = await load.hear<RunResult>();
  assert.equal(slow.accepted, 6);
  // A timer may be a millisecond early by another clock.
  assert.ok(slow.latencyMs.p50 >= 49, `${slow.latencyMs.p50}`);
});

test('a bare call of authenticate() passes the same message', async () => {
  const { calls, wallMs } = await site.bare('10KB', { seconds: 0.05 });
  assert.ok(calls > 0 && wallMs > 0);
});

/** A hop that takes every message and hands none on. @param refuses what it says no to all the same */
function liar(refuses = /^$/): Server {
  return createServer((socket) => {
    let content = false;
    socket.on('error', () => socket.destroy());
    socket.write('220 liar\r\n');
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      if (content && !text.endsWith('\r\n.\r\n')) return;
      const commands = text.trim().split('\r\n');
      const replies = content
        ? ['250 taken']
        : commands.map((command) => (refuses.test(command) ? '450 no' : reply(command)));
      content = replies.at(-1)?.startsWith('354') ?? false;
      socket.write(`${replies.join('\r\n')}\r\n`);
    });
  });
}

function reply(command: string): string {
  if (command.startsWith('EHLO')) return '250-liar\r\n250-PIPELINING\r\n250 XFORWARD NAME ADDR PROTO HELO';
  if (command === 'DATA') return '354 tell me';
  return command === 'QUIT' ? '221 bye' : '250 ok';
}

async function listening(server: Server, then: (port: number) => Promise<unknown>): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await then((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

const measureAt = (port: number) =>
  site.measure({ ...site.yardsticks.straight, address: () => `127.0.0.1:${port}` }, traffic);

test('a benchmark of a hop that loses messages fails', () =>
  listening(liar(), (port) =>
    assert.rejects(measureAt(port), /not every message arrived whole and once: .*"lost":\["s/),
  ));

for (const command of ['XFORWARD', 'MAIL', 'RCPT', 'QUIT']) {
  test(`a benchmark of a hop that says no to ${command}, pipelined, fails`, () =>
    listening(liar(new RegExp(`^(${command})`)), (port) =>
      assert.rejects(measureAt(port), new RegExp(`450 no in answer to (${command})`)),
    ));
}

test('refusals that are to be counted end nothing', () =>
  listening(liar(/^RCPT TO:<b>/), async (port) => {
    await using load = new Child('load.ts');
    const messages = [await site.material.message('1KB')];
    load.tell({ to: `127.0.0.1:${port}`, messages, rcptTo: ['<a>', '<b>'], count: 3 });
    const { accepted, connectionsFailed } = await load.hear<RunResult>();
    assert.deepEqual({ accepted, connectionsFailed }, { accepted: 3, connectionsFailed: 0 });
    load.tell({ to: `127.0.0.1:${port}`, messages, rcptTo: ['<a>', '<b>'], count: 3, refusals: 'errors' });
    assert.match((await load.hear<RunResult>()).errors.join(), /450 no in answer to RCPT/);
  }));
