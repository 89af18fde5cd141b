// Transactions over a real pool and real connections: whatever becomes of them, no session stays busy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDestination } from '../../src/relay/destination.ts';
import { Pool } from '../../src/relay/pool.ts';
import { describeReply } from '../../src/smtp/reply.ts';
import { Delivery } from '../../src/transaction/delivery.ts';
import { ScriptedDownstream, type ScriptedDownstreamOptions } from '../support/scripted-downstream.ts';
import { body, type Changes, Driven } from './start.ts';

/** A downstream, and a pool of one connection: a second transaction proves that the first has left it. */
async function start(script: ScriptedDownstreamOptions = {}) {
  const downstream = await ScriptedDownstream.start(script);
  const destination = parseDestination(downstream.destination);
  assert.ok(typeof destination !== 'string');
  const pool = new Pool({
    destinations: [destination],
    session: { helloName: 'postern.example', timeouts: { rset: 500, quit: 500 } },
    size: 1,
    idleMs: 60_000,
    ageMs: 60_000,
    transactions: 100,
    waitMs: 5_000,
    waiting: 10,
    backoffMs: 1,
    backoffMaxMs: 1,
    checkAfterMs: 60_000,
  });
  return {
    downstream,
    pool,
    begin: (changes: Changes = {}) => new Driven(pool, changes),
    async [Symbol.asyncDispose]() {
      await pool.close();
      await downstream.close();
    },
  };
}

type Started = Awaited<ReturnType<typeof start>>;

/** The next transaction finds the one slot of the pool free, and goes through. */
async function assertFree({ pool, begin, downstream }: Started, messages: number): Promise<void> {
  const next = begin();
  await next.upToDot();
  assert.equal(pool.counts.busy, 1);
  assert.match((await next.finish())[0] ?? '', /^250 /);
  const { busy, waiting, idle } = pool.counts;
  assert.deepEqual({ busy, waiting, idle }, { busy: 0, waiting: 0, idle: 1 });
  assert.equal(downstream.messages.length, messages);
  assert.equal(next.record.disposition, 'accept');
}

test('after a delivered message its connection is idle, and the next one uses it', async () => {
  await using it = await start();
  await assertFree(it, 1);
  await assertFree(it, 2);
  assert.equal(it.downstream.connections, 1);
});

test('after RSET the connection is reset and used again', async () => {
  await using it = await start();
  const first = it.begin();
  await first.mail();
  await first.rcpt();
  first.transaction.reset('reset');
  await assertFree(it, 1);
  assert.equal(it.downstream.connections, 1);
  assert.ok(it.downstream.commands.includes('RSET'));
});

test('after a refused sender, recipient or message the connection is used again', async () => {
  await using it = await start({
    answers: {
      MAIL: (line) => (line.includes('<bad@') ? '550 5.1.8 Bad' : undefined),
      RCPT: (line) => (line.includes('<no@') ? '550 5.1.1 No' : undefined),
    },
  });
  assert.match(await it.begin().mail('MAIL FROM:<bad@example.com>'), /^550 /);
  const refused = it.begin({ limits: { messageBytes: 10 } });
  await refused.mail();
  await refused.rcpt('no');
  await refused.rcpt();
  refused.data();
  await refused.write();
  assert.deepEqual(await refused.finish(), ['552 5.3.4 message over 10 bytes']);
  await assertFree(it, 1);
  assert.equal(it.downstream.connections, 1);
});

for (const verb of ['MAIL', 'RCPT', 'DATA', 'CONTENT'] as const) {
  for (const answer of ['close', 'reset', '421 4.3.2 Bye', 'garbage'] as const) {
    test(`the downstream says ${answer} to ${verb}: 451 at most, and the slot is free`, async () => {
      await using it = await start({
        answers: {
          [verb]: (_: string, { connection }: { connection: number }) =>
            connection === 1 ? answer : undefined,
        },
      });
      const first = it.begin();
      const mail = await first.mail();
      if (/^250/.test(mail)) {
        await first.rcpt();
        if (/^354/.test(first.data())) {
          await first.write();
          for (const reply of await first.finish()) assert.match(reply, verb === 'RCPT' ? /^[24]5/ : /^451 /);
        }
      } else {
        assert.match(mail, /^451 /);
      }
      first.transaction.reset('reset');
      assert.equal(it.pool.counts.busy, 0);
      assert.equal(first.records.length, 1);
      // What was refused after its final dot has arrived there, and so has what was said again.
      await assertFree(it, it.downstream.messages.length + 1);
    });
  }

  if (verb === 'CONTENT') continue;
  test(`upstream vanishes while ${verb} is not answered: the connection is closed, the slot is free`, async () => {
    await using it = await start({
      answers: {
        [verb]: (_: string, { connection }: { connection: number }) =>
          connection === 1 ? 'stall' : undefined,
      },
    });
    const first = it.begin();
    const talk = (async () => {
      if (!/^250/.test(await first.mail())) return;
      if (!/^250/.test(await first.rcpt())) return;
      first.data();
      await first.write();
      await first.finish();
    })();
    await it.downstream.until(() => it.downstream.commands.some((line) => line.startsWith(verb)));
    first.transaction.abort('upstream is gone');
    await talk;
    assert.equal(it.pool.counts.busy, 0);
    assert.equal(first.record.aborted, 'upstream is gone');
    await assertFree(it, 1);
    assert.equal(it.downstream.connections, 2);
  });
}

test('upstream vanishes after the final dot: what becomes of the message is heard and logged', async () => {
  const answer = Promise.withResolvers<string>();
  await using it = await start({
    answers: { CONTENT: (_, { transactions }) => (transactions === 0 ? answer.promise : undefined) },
  });
  const first = it.begin();
  await first.upToDot();
  const finished = first.finish();
  await it.downstream.until(() => it.downstream.messages.length === 1);
  first.transaction.abort('upstream is gone');
  assert.equal(it.pool.counts.busy, 1);
  answer.resolve('250 2.0.0 Ok: queued as 4RV1Zk');
  await finished;
  const { aborted, replies, downstreamId } = first.record;
  assert.deepEqual(
    { aborted, replies, downstreamId },
    { aborted: 'upstream is gone', replies: ['250 2.0.0 Ok: queued as 4RV1Zk'], downstreamId: '4RV1Zk' },
  );
  await assertFree(it, 2);
  assert.equal(it.downstream.connections, 1);
});

test('a pool that is closed waits for no answer any more', async () => {
  await using it = await start({ answers: { CONTENT: () => 'stall' } });
  const first = it.begin();
  await first.upToDot();
  const finished = first.finish();
  await it.downstream.until(() => it.downstream.messages.length === 1);
  first.transaction.abort('upstream is gone');
  await it.pool.close();
  assert.match((await finished)[0] ?? '', /^451 /);
  assert.equal(it.pool.counts.busy, 0);
});

test('upstream vanishes while it waits for a connection: the one who has it keeps it', async () => {
  await using it = await start();
  const first = it.begin();
  await first.mail();
  const second = it.begin();
  const reply = second.mail();
  second.transaction.abort('upstream is gone');
  assert.match(await reply, /^451 /);
  assert.equal(it.pool.counts.waiting, 0);
  assert.equal(second.record.aborted, 'upstream is gone');
  await first.rcpt();
  first.data();
  await first.write();
  assert.match((await first.finish())[0] ?? '', /^250 /);
  await assertFree(it, 2);
});

test('a deadline in the middle of a large message: no end of it arrives, and the slot is free', async () => {
  await using it = await start();
  const first = it.begin({ limits: { answerMs: 500, messageBytes: 100_000_000 } });
  await first.upToDot(['one'], body);
  for (let i = 0; i < 32; i++) await first.write(`${'x'.repeat(998)}\r\n`.repeat(1000));
  const replies = first.finish();
  await it.downstream.until(() => it.downstream.commands.includes('DATA'));
  it.downstream.pause();
  assert.deepEqual(await replies, ['451 4.4.2 downstream did not answer in time, try again later']);
  assert.equal(it.pool.counts.busy, 0);
  await assertFree(it, 1);
});

test('a downstream that says goodbye for good is told with its own words, upstream and in the log', async () => {
  const goodbye = '421 4.7.0 Error: too many errors';
  await using started = await start({ answers: { RCPT: () => ['550 5.1.1 No such user', goodbye] } });
  const failures: string[] = [];
  const delivery = new Delivery(started.pool, new Map(), (stage, error) =>
    failures.push(`${stage}: ${error}`),
  );
  assert.equal((await delivery.mail('MAIL FROM:<a@example.com>')).code, 250);
  const refused = () => delivery.rcpt('RCPT TO:<nobody@example.net>').then(describeReply);
  assert.equal(await refused(), '550 5.1.1 No such user');
  assert.equal(await refused(), '550 5.1.1 No such user', 'said on another connection');
  assert.equal(await refused(), '451 4.7.0 Error: too many errors');
  const { destination } = started.downstream;
  assert.deepEqual(failures, [`RCPT: DownstreamError: ${destination} said goodbye: ${goodbye}`]);
  assert.equal(started.downstream.connections, 2);
  assert.equal(started.pool.counts.busy, 0);
});
