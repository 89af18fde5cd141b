// Downstream connections that are kept and used again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Destination, parseDestination } from '../../src/relay/destination.ts';
import { DownstreamError } from '../../src/relay/error.ts';
import { Pool, type PoolOptions } from '../../src/relay/pool.ts';
import type { DownstreamSession } from '../../src/relay/session.ts';
import { ScriptedDownstream, type ScriptedDownstreamOptions } from '../support/scripted-downstream.ts';

const defaults: Omit<PoolOptions, 'destinations'> = {
  session: { helloName: 'postern.example', timeouts: { rset: 200, quit: 200 } },
  size: 2,
  idleMs: 60_000,
  ageMs: 60_000,
  transactions: 100,
  waitMs: 5_000,
  waiting: 10,
  backoffMs: 60_000,
  backoffMaxMs: 60_000,
  checkAfterMs: 60_000,
};

function destinationOf(text: string): Destination {
  const destination = parseDestination(text);
  assert.ok(typeof destination !== 'string', `${text}: ${destination}`);
  return destination;
}

function poolOf(
  downstreams: readonly (ScriptedDownstream | string)[],
  options: Partial<PoolOptions> = {},
): Pool {
  const destinations = downstreams.map((each) =>
    destinationOf(typeof each === 'string' ? each : each.destination),
  );
  return new Pool({ ...defaults, destinations, ...options });
}

/** One downstream and a pool of connections to it. */
async function start(options: Partial<PoolOptions> = {}, script: ScriptedDownstreamOptions = {}) {
  const downstream = await ScriptedDownstream.start(script);
  const pool = poolOf([downstream], options);
  return {
    downstream,
    pool,
    async [Symbol.asyncDispose]() {
      await pool.close();
      await downstream.close();
    },
  };
}

/** Where nobody listens, for now. */
async function deadPort(): Promise<number> {
  const downstream = await ScriptedDownstream.start();
  const { port } = downstream;
  await downstream.close();
  return port;
}

async function carry(session: DownstreamSession): Promise<void> {
  await session.command('MAIL FROM:<a@example.com>', 'mail');
  await session.command('RCPT TO:<b@example.net>', 'rcpt');
  await session.command('DATA', 'data');
  const [answer] = await session.content([Buffer.from('x')], 1);
  assert.ok(answer && !(answer instanceof DownstreamError) && answer.code === 250);
}

/** Longer than an answer takes here. */
const learnMs = 10_000;

const isError = (kind: string) => (error: unknown) => {
  assert.ok(error instanceof DownstreamError, `not a DownstreamError: ${error}`);
  assert.equal(error.kind, kind);
  return true;
};
const mailNamed = (text: string) => (line: string) => line === text;

test('a released session is used again, the latest first', async () => {
  await using it = await start();
  const first = await it.pool.acquire();
  const second = await it.pool.acquire();
  assert.deepEqual(it.pool.counts, { idle: 0, busy: 2, waiting: 0, failures: 0 });
  await carry(first);
  it.pool.release(second);
  it.pool.release(first);
  assert.deepEqual(it.pool.counts, { idle: 2, busy: 0, waiting: 0, failures: 0 });
  assert.equal(await it.pool.acquire(), first);
  assert.equal(await it.pool.acquire(), second);
  assert.equal(it.downstream.connections, 2);
  assert.ok(first.transactions > 0 && second.transactions > 0, 'neither is fresh');
  it.pool.release(first);
  it.pool.release(first);
  assert.equal(it.pool.counts.idle, 1, 'who releases twice gives it back once');
  it.pool.release(second);
});

test('a fresh session is a new one, also where the pool is full of used ones', async () => {
  await using it = await start({ size: 1 });
  const used = await it.pool.acquire();
  it.pool.release(used);
  const fresh = await it.pool.acquire({ fresh: true });
  assert.notEqual(fresh, used);
  assert.equal(fresh.transactions, 0);
  assert.equal(used.usable, false);
  it.pool.release(fresh);
  assert.deepEqual([it.pool.counts.idle, it.downstream.connections], [1, 2]);
});

test('a connection that dies in the pool leaves it, and a new one takes its place', async () => {
  await using it = await start({ size: 1 });
  const used = await it.pool.acquire();
  it.pool.release(used);
  it.downstream.disconnect();
  await used.ended;
  const next = await it.pool.acquire();
  assert.notEqual(next, used);
  assert.ok(next.usable);
  it.pool.release(next);
  assert.equal(it.pool.counts.idle, 1);
});

test('a connection that was unused for long is asked whether it lives', async () => {
  await using it = await start({ size: 1, checkAfterMs: -1 });
  const used = await it.pool.acquire();
  it.pool.release(used);
  assert.equal(await it.pool.acquire(), used);
  assert.equal(it.downstream.commands.at(-1), 'RSET');
  it.pool.release(used);
});

test('one that does not answer, or not with 2xx, is replaced', async () => {
  for (const answer of ['stall', 'close', '500 5.5.2 What?'] as const) {
    await using it = await start(
      { size: 1, checkAfterMs: -1 },
      { answers: { RSET: (_, { connection }) => (connection === 1 ? answer : undefined) } },
    );
    const used = await it.pool.acquire();
    it.pool.release(used);
    const next = await it.pool.acquire();
    assert.notEqual(next, used);
    assert.equal(next.transactions, 0);
    it.pool.release(next);
    await it.downstream.until(() => it.downstream.open === 1);
  }
});

test('who gives up while a connection is asked whether it lives does not wait for its answer', async () => {
  const session = { helloName: 'postern.example', timeouts: { rset: 1_000_000, quit: 200 } };
  await using it = await start(
    { size: 2, checkAfterMs: -1, session, waitMs: 1_000_000 },
    { answers: { RSET: () => 'stall' } },
  );
  const checked = await it.pool.acquire();
  const busy = await it.pool.acquire();
  it.pool.release(checked);
  const giveUp = new AbortController();
  const refused = assert.rejects(it.pool.acquire({ signal: giveUp.signal }), DownstreamError);
  await it.downstream.until(() => it.downstream.commands.includes('RSET'));
  giveUp.abort();
  await refused;
  const next = await it.pool.acquire();
  assert.equal(it.downstream.connections, 3);
  it.pool.release(next);
  it.pool.release(busy);
});

test('who comes when all are busy waits, first come first served', async () => {
  await using it = await start({ size: 1 });
  const session = await it.pool.acquire();
  const order: string[] = [];
  const waiting = ['first', 'second', 'third'].map(async (name) => {
    const mine = await it.pool.acquire();
    order.push(name);
    it.pool.release(mine);
  });
  assert.equal(it.pool.counts.waiting, 3);
  it.pool.release(session);
  await Promise.all(waiting);
  assert.deepEqual(order, ['first', 'second', 'third']);
  assert.equal(it.downstream.connections, 1);
});

test('the waiting line has a deadline and a greatest length', async () => {
  await using it = await start({ size: 1, waitMs: 30, waiting: 1 });
  const session = await it.pool.acquire();
  const waiting = it.pool.acquire();
  await assert.rejects(it.pool.acquire(), isError('waiting'));
  await assert.rejects(waiting, isError('waiting'));
  it.pool.release(session);
  assert.equal(await it.pool.acquire(), session, 'nobody holds its slot');
  it.pool.release(session);
});

test('who gives up leaves the line, and no slot is lost', async () => {
  await using it = await start({ size: 1 });
  const session = await it.pool.acquire();
  const controller = new AbortController();
  const givingUp = it.pool.acquire({ signal: controller.signal });
  const staying = it.pool.acquire();
  controller.abort();
  await assert.rejects(givingUp, isError('waiting'));
  assert.equal(it.pool.counts.waiting, 1);
  it.pool.release(session);
  assert.equal(await staying, session);
  it.pool.release(session);
  await assert.rejects(it.pool.acquire({ signal: controller.signal }), isError('waiting'));
});

test('who gives up in the very turn in which the session comes does not take it along', async () => {
  await using it = await start({ size: 1 });
  const session = await it.pool.acquire();
  const controller = new AbortController();
  const givingUp = it.pool.acquire({ signal: controller.signal });
  it.pool.release(session);
  controller.abort();
  await assert.rejects(givingUp, isError('waiting'));
  assert.equal(await it.pool.acquire(), session);
  it.pool.release(session);
});

test('who waits for a new connection takes one that is given back meanwhile; the new one is kept for others', async () => {
  const greeting = Promise.withResolvers<undefined>();
  await using it = await start(
    {},
    { answers: { GREETING: (_, { connection }) => (connection === 2 ? greeting.promise : undefined) } },
  );
  const first = await it.pool.acquire();
  const waiting = it.pool.acquire();
  await it.downstream.until(() => it.downstream.connections === 2);
  it.pool.release(first);
  assert.equal(await waiting, first);
  const other = it.pool.acquire();
  assert.deepEqual(it.pool.counts, { idle: 0, busy: 1, waiting: 1, failures: 0 }, 'its slot is in use still');
  greeting.resolve(undefined);
  assert.notEqual(await other, first);
  it.pool.release(first);
  it.pool.release(await other);
  assert.deepEqual([it.pool.counts.idle, it.downstream.connections], [2, 2]);
});

test('where the downstream refuses further connections, those that there are serve everybody in turn', async () => {
  await using it = await start(
    { size: 10 },
    {
      answers: {
        GREETING: (_, { connection }) => (connection > 1 ? '421 4.3.2 Too many connections' : undefined),
        // The others have been refused before there is one to wait for.
        EHLO: async () => void (await it.downstream.until(() => it.downstream.connections === 5)),
      },
    },
  );
  const served = new Set<DownstreamSession>();
  const serve = async () => {
    const session = await it.pool.acquire();
    served.add(session);
    it.pool.release(session);
  };
  await Promise.all(Array.from({ length: 5 }, serve));
  assert.equal(served.size, 1);
  assert.ok(it.pool.reachable);
  assert.deepEqual(it.pool.counts, { idle: 1, busy: 0, waiting: 0, failures: 4 });
});

test('when the last connection goes, who waits for it hears at once why there was no other', async () => {
  await using it = await start(
    {},
    { answers: { GREETING: (_, { connection }) => (connection > 1 ? '421 4.3.2 Too many' : undefined) } },
  );
  const last = await it.pool.acquire();
  const waiting = it.pool.acquire();
  waiting.catch(() => undefined);
  await it.downstream.until(() => it.pool.counts.failures === 1);
  it.downstream.disconnect();
  await last.ended;
  it.pool.release(last);
  await assert.rejects(
    waiting,
    (error) => isError('connect')(error) && (error as DownstreamError).reply?.code === 421,
  );
});

test('who gives up while a connection is opened leaves its slot to the next', async () => {
  await using it = await start(
    { size: 1 },
    { answers: { GREETING: (_, { connection }) => (connection === 1 ? 'stall' : undefined) } },
  );
  const controller = new AbortController();
  const givingUp = it.pool.acquire({ signal: controller.signal });
  const next = it.pool.acquire();
  await it.downstream.until(() => it.downstream.connections === 1);
  controller.abort();
  await assert.rejects(givingUp, isError('connect'));
  it.pool.release(await next);
  assert.equal(it.pool.counts.failures, 0, 'the destination is not to blame');
});

test('a slot that a failure frees lets the next one in', async () => {
  await using it = await start(
    { size: 1 },
    { answers: { GREETING: (_, { connection }) => (connection === 1 ? '421 4.3.2 Busy' : undefined) } },
  );
  const failing = it.pool.acquire();
  const next = it.pool.acquire();
  await assert.rejects(
    failing,
    (error) => isError('connect')(error) && (error as DownstreamError).reply?.code === 421,
  );
  it.pool.release(await next);
  assert.equal(it.pool.counts.failures, 1);
});

test('a session that became unusable is dropped, and its slot is free at once', async () => {
  await using it = await start({ size: 1 }, { answers: { MAIL: () => '421 4.3.2 Going down' } });
  const session = await it.pool.acquire();
  const waiting = it.pool.acquire();
  await session.command('MAIL FROM:<a@x>', 'mail');
  it.pool.release(session);
  const next = await waiting;
  assert.notEqual(next, session);
  it.pool.release(next);
});

test('an open transaction is reset before anybody else gets the session', async () => {
  await using it = await start({ size: 1 });
  const session = await it.pool.acquire();
  await session.command('MAIL FROM:<a@x>', 'mail');
  it.pool.release(session);
  assert.equal(it.pool.counts.idle, 0, 'not before the reply');
  assert.equal(await it.pool.acquire(), session);
  assert.deepEqual(it.downstream.commands.slice(1), ['MAIL FROM:<a@x>', 'RSET']);
  assert.equal(session.inTransaction, false);
  it.pool.release(session);
});

test('what XFORWARD said is reset too, and a refused MAIL, whose SIZE Postfix remembers; a finished message needs no RSET', async () => {
  await using it = await start(
    { size: 1 },
    {
      answers: {
        MAIL: (line) => (line.includes('bad@') ? '550 no' : undefined),
        RCPT: (line) => (line.includes('odd@') ? '250 2.1.5 why not' : undefined),
      },
    },
  );
  const session = await it.pool.acquire();
  await carry(session);
  it.pool.release(session);
  assert.equal(it.pool.counts.idle, 1);
  assert.equal(it.downstream.commands.some(mailNamed('RSET')), false);
  await it.pool.acquire();
  await session.command('MAIL FROM:<bad@x>', 'mail');
  it.pool.release(session);
  assert.equal(await it.pool.acquire(), session);
  assert.equal(it.downstream.commands.at(-1), 'RSET');
  it.pool.release(session);
  await it.pool.acquire();
  await session.command('XFORWARD NAME=x', 'xforward');
  await carry(session);
  it.pool.release(session);
  assert.equal(it.pool.counts.idle, 1);
  await it.pool.acquire();
  await session.command('XFORWARD NAME=x', 'xforward');
  it.pool.release(session);
  await it.downstream.until(() => it.downstream.commands.at(-1) === 'RSET');
  // The MAIL is refused, the recipient behind it is not: it must not be the next message's.
  await it.pool.acquire();
  void session.command('MAIL FROM:<bad@x>', 'mail');
  await session.command('RCPT TO:<odd@x>', 'rcpt');
  it.pool.release(session);
  assert.equal(it.pool.counts.idle, 0);
  await it.pool.acquire();
  assert.equal(it.downstream.commands.at(-1), 'RSET');
  it.pool.release(session);
});

test('behind a message that was refused comes RSET: Postfix keeps its transaction open', async () => {
  for (const protocol of ['smtp', 'lmtp'] as const) {
    const refused = protocol === 'smtp' ? '' : 'RCPT TO:<full@x>';
    await using it = await start(
      { size: 1 },
      { protocol, answers: { CONTENT: (line) => (line === refused ? '554 5.7.1 no' : undefined) } },
    );
    const session = await it.pool.acquire();
    await session.command('MAIL FROM:<a@x>', 'mail');
    await session.command('RCPT TO:<full@x>', 'rcpt');
    if (protocol === 'lmtp') await session.command('RCPT TO:<b@x>', 'rcpt');
    await session.command('DATA', 'data');
    await session.content([Buffer.from('x')], protocol === 'smtp' ? 1 : 2);
    it.pool.release(session);
    assert.equal(await it.pool.acquire(), session);
    assert.equal(it.downstream.commands.at(-1), 'RSET');
    assert.equal(session.transactions, 1);
    it.pool.release(session);
  }
});

test('replies that are still pending at release are waited for, but not for long', async () => {
  await using it = await start({ size: 1 }, { answers: { RCPT: () => 'stall' } });
  const session = await it.pool.acquire();
  await session.command('MAIL FROM:<a@x>', 'mail');
  void session.command('RCPT TO:<b@x>', 'rcpt');
  it.pool.release(session);
  const next = await it.pool.acquire();
  assert.notEqual(next, session);
  assert.equal((await session.ended).kind, 'timeout');
  it.pool.release(next);
});

test('where DATA is pending at release its reply is waited for: refused, the session is reset, else it is not used again', async () => {
  for (const [said, again] of [
    ['554 5.5.1 no valid recipients', true],
    ['354 Go ahead', false],
    ['250 2.0.0 Ok', false],
    ['stall', false],
  ] as const) {
    const asked = Promise.withResolvers<void>();
    let times = 0;
    const DATA = () => (++times === 1 ? asked.promise.then(() => said) : undefined);
    await using it = await start({ size: 1 }, { answers: { DATA } });
    const session = await it.pool.acquire();
    await session.command('MAIL FROM:<a@x>', 'mail');
    const asking = session.command('RCPT TO:<b@x>', 'rcpt');
    void session.command('DATA', 'data');
    await asking;
    it.pool.release(session);
    assert.equal(it.pool.counts.idle, 0);
    asked.resolve();
    const next = await it.pool.acquire();
    assert.equal(next === session, again, said);
    assert.equal(it.downstream.commands.includes('RSET'), again, said);
    await carry(next);
    it.pool.release(next);
    assert.equal(it.downstream.messages.length, 1);
    for (const { data } of it.downstream.incomplete) assert.equal(data.toString(), '');
  }
});

test('a session whose RSET is refused, or that waits for content, is not used again', async () => {
  await using refusing = await start({ size: 1 }, { answers: { RSET: () => '451 4.3.0 No' } });
  const first = await refusing.pool.acquire();
  await first.command('MAIL FROM:<a@x>', 'mail');
  refusing.pool.release(first);
  const second = await refusing.pool.acquire();
  assert.notEqual(second, first);
  for (const line of ['MAIL FROM:<a@x>', 'RCPT TO:<b@x>'] as const) {
    await second.command(line, line.startsWith('MAIL') ? 'mail' : 'rcpt');
  }
  assert.equal((await second.command('DATA', 'data')).code, 354);
  refusing.pool.release(second);
  assert.equal(second.usable, false);
  await refusing.downstream.until(() => refusing.downstream.incomplete.length === 1);
  assert.equal(refusing.downstream.messages.length, 0);
});

test('a connection carries so many transactions, and ends with QUIT', async () => {
  await using it = await start({ size: 1, transactions: 2 });
  const session = await it.pool.acquire();
  await carry(session);
  it.pool.release(session);
  assert.equal(await it.pool.acquire(), session);
  await carry(session);
  it.pool.release(session);
  const next = await it.pool.acquire();
  assert.notEqual(next, session);
  assert.ok(it.downstream.commands.includes('QUIT'));
  it.pool.release(next);
});

test('a connection that is too old ends with QUIT', async () => {
  await using it = await start({ ageMs: 0 });
  it.pool.release(await it.pool.acquire());
  assert.equal(it.pool.counts.idle, 0);
  await it.downstream.until(() => it.downstream.commands.at(-1) === 'QUIT' && it.downstream.open === 0);
});

test('a connection that nobody uses ends with QUIT', async () => {
  await using it = await start({ idleMs: 20 });
  it.pool.release(await it.pool.acquire());
  // The timer alone does not keep a process alive; the connection does.
  await it.downstream.until(() => it.downstream.commands.at(-1) === 'QUIT' && it.downstream.open === 0);
  assert.equal(it.pool.counts.idle, 0);
});

test('the next destination serves when there is no connection to the first', async () => {
  const replies = ['421 4.3.2 Busy', '554 5.7.1 Go away'];
  for (const greeting of replies) {
    await using refusing = await ScriptedDownstream.start({ answers: { GREETING: () => greeting } });
    await using second = await ScriptedDownstream.start();
    const pool = poolOf([`smtp://127.0.0.1:${await deadPort()}`, refusing, second]);
    for (const count of [1, 2]) {
      const session = await pool.acquire({ fresh: true });
      assert.equal(session.destination.text, second.destination);
      assert.equal(second.connections, count);
      pool.release(session);
    }
    assert.equal(refusing.connections, 1, 'the dead ones are left alone in their back-off');
    assert.equal(pool.counts.failures, 2);
    await pool.close();
  }
});

test('where no destination can be had it is told why, of each', async () => {
  await using refusing = await ScriptedDownstream.start({ answers: { GREETING: () => '421 4.3.2 Busy' } });
  const port = await deadPort();
  const pool = poolOf([`smtp://127.0.0.1:${port}`, refusing]);
  await assert.rejects(pool.acquire(), (error: DownstreamError) => {
    assert.match(
      error.message,
      new RegExp(`127\\.0\\.0\\.1:${port}: .*ECONNREFUSED.*; .*:${refusing.port}: .*421 `),
    );
    return error.reply?.code === 421;
  });
  await pool.close();
});

test('the first destination serves again when its back-off is over and it is alive', async () => {
  const port = await deadPort();
  await using second = await ScriptedDownstream.start();
  const pool = poolOf([`smtp://127.0.0.1:${port}`, second], { backoffMs: 0 });
  const session = await pool.acquire();
  assert.equal(session.destination.text, second.destination);
  await using first = await ScriptedDownstream.start({ port });
  pool.release(session);
  // Nobody waits for the first to prove itself: the second serves until it has.
  let serving = await pool.acquire();
  while (serving.destination.text === second.destination) {
    pool.release(serving);
    await new Promise(setImmediate);
    serving = await pool.acquire();
  }
  assert.equal(serving.destination.text, first.destination);
  assert.equal(first.connections, 1);
  pool.release(serving);
  await second.until(() => second.open === 0);
  assert.equal(second.commands.at(-1), 'QUIT');
  await pool.close();
});

test('the first destination that is alive again gets no more connections than the pool has', async () => {
  const port = await deadPort();
  await using second = await ScriptedDownstream.start();
  const pool = poolOf([`smtp://127.0.0.1:${port}`, second], { backoffMs: 0, size: 1 });
  pool.release(await pool.acquire());
  while (pool.counts.failures < 2) await new Promise(setImmediate);
  await using first = await ScriptedDownstream.start({ port, extensions: ['SIZE 1000'] });
  const serving = await pool.acquire();
  assert.equal(serving.destination.text, second.destination);
  await first.until(() => first.commands.at(-1) === 'QUIT' && first.open === 0);
  assert.deepEqual([pool.counts.idle, pool.counts.busy], [0, 1]);
  assert.equal(pool.offered?.get('SIZE'), '1000', 'who comes next is served by the first');
  pool.release(serving);
  await pool.close();
});

test('a dead destination rests twice as long after each failure, but never longer than it may', async () => {
  const rests: unknown[] = [];
  const pool = poolOf([`smtp://127.0.0.1:${await deadPort()}`], {
    backoffMs: 10_000,
    backoffMaxMs: 25_000,
    log: (_, event, { restsMs }) => event === 'downstream failed' && rests.push(restsMs),
  });
  for (let attempt = 0; attempt < 4; attempt++) await assert.rejects(pool.acquire(), isError('connect'));
  assert.deepEqual(rests, [10_000, 20_000, 25_000, 25_000]);
  await pool.close();
});

test('of dead destinations one whose back-off is over is tried before a better one that rests', async ({
  mock,
}) => {
  let now = performance.now();
  mock.method(performance, 'now', () => now);
  const firstPort = await deadPort();
  const second = await ScriptedDownstream.start();
  const { port } = second;
  const pool = poolOf([`smtp://127.0.0.1:${firstPort}`, second], { backoffMs: 100, backoffMaxMs: 1000 });
  pool.release(await pool.acquire());
  await second.close();
  now += 50;
  // The first has failed twice then, and rests until 250; the second until 150.
  await assert.rejects(pool.acquire({ fresh: true }), isError('connect'));
  now += 150;
  await using first = await ScriptedDownstream.start({ port: firstPort });
  await using again = await ScriptedDownstream.start({ port });
  const session = await pool.acquire();
  assert.equal(session.destination.text, again.destination);
  assert.equal(first.connections, 0);
  pool.release(session);
  await pool.close();
});

test('a single destination that is started again is found at once, back-off or not', async () => {
  const port = await deadPort();
  const pool = poolOf([`smtp://127.0.0.1:${port}`]);
  await assert.rejects(pool.acquire(), isError('connect'));
  await assert.rejects(pool.acquire(), isError('connect'));
  await using downstream = await ScriptedDownstream.start({ port });
  const session = await pool.acquire();
  assert.ok(session.usable);
  assert.equal(downstream.connections, 1);
  pool.release(session);
  await pool.close();
});

test('those who ask for a dead destination at the same time share one attempt', async () => {
  const greeting = Promise.withResolvers<void>();
  await using it = await start(
    { size: 10 },
    {
      answers: {
        GREETING: async (_, { connection }) => {
          if (connection === 2) await greeting.promise;
          return connection <= 2 ? '421 4.3.2 Busy' : undefined;
        },
      },
    },
  );
  await assert.rejects(it.pool.acquire(), isError('connect'));
  const attempts = Promise.allSettled(Array.from({ length: 5 }, () => it.pool.acquire()));
  await it.downstream.until(() => it.downstream.connections === 2);
  greeting.resolve();
  for (const attempt of await attempts) assert.equal(attempt.status, 'rejected');
  assert.equal(it.downstream.connections, 2);
  it.pool.release(await it.pool.acquire());
});

test('learning opens one connection for all who ask, and keeps it', async () => {
  await using it = await start({}, { extensions: ['SIZE 1000', 'DSN'] });
  assert.equal(it.pool.offered, undefined);
  const learnt = await Promise.all([it.pool.learn(learnMs), it.pool.learn(learnMs), it.pool.learn(learnMs)]);
  for (const extensions of learnt) assert.equal(extensions?.get('SIZE'), '1000');
  assert.equal(await it.pool.learn(learnMs), it.pool.offered);
  assert.deepEqual([it.downstream.connections, it.pool.counts.idle], [1, 1]);
  const session = await it.pool.acquire();
  assert.equal(session.transactions, 1, 'it may have died meanwhile, so it is not fresh');
  it.pool.release(session);
});

test('what was offered last is known while the downstream is away, without waiting for it', async () => {
  await using it = await start();
  const offered = await it.pool.learn(learnMs);
  assert.ok(offered?.has('PIPELINING'));
  await it.downstream.close();
  await it.downstream.until(() => it.downstream.open === 0);
  const { port } = it.downstream;
  assert.equal(port, 0);
  await assert.rejects(it.pool.acquire({ fresh: true }), isError('connect'));
  assert.equal(await it.pool.learn(learnMs), offered);
  assert.equal(it.pool.counts.failures, 1, 'back-off: nobody was asked');
});

test('where no connection is alive any more the downstream is asked again what it offers', async () => {
  const before = await ScriptedDownstream.start({ extensions: ['SIZE 1000'] });
  const { port } = before;
  const pool = poolOf([before]);
  assert.equal((await pool.learn(learnMs))?.get('SIZE'), '1000');
  await before.close();
  while (pool.counts.idle > 0) await new Promise(setImmediate);
  await using after = await ScriptedDownstream.start({ port, extensions: ['SIZE 2000'] });
  assert.equal((await pool.learn(learnMs))?.get('SIZE'), '2000');
  assert.equal(after.connections, 1);
  await pool.close();
});

test('who stops waiting for the offer gets the last known one', async () => {
  await using it = await start({}, { answers: { GREETING: () => 'stall' } });
  assert.equal(await it.pool.learn(1), undefined);
});

test('closing says QUIT to unused connections, refuses who waits, and closes busy ones', async () => {
  await using it = await start({ size: 2 });
  const busy = await it.pool.acquire();
  it.pool.release(await it.pool.acquire());
  const second = await it.pool.acquire();
  const waiting = it.pool.acquire();
  it.pool.release(second);
  it.pool.release(await waiting);
  const closed = it.pool.close();
  await assert.rejects(it.pool.acquire(), isError('waiting'));
  await closed;
  await it.downstream.until(() => it.downstream.open === 0);
  assert.equal(busy.usable, false);
  it.pool.release(busy);
  await it.pool.close();
  assert.equal(it.downstream.commands.filter(mailNamed('QUIT')).length, 1);
  assert.deepEqual(it.pool.counts, { idle: 0, busy: 0, waiting: 0, failures: 0 });
});

test('closing ends a connection that is made ready for another transaction meanwhile', async () => {
  const answered = Promise.withResolvers<void>();
  const RSET = () => answered.promise.then(() => undefined);
  const session = { helloName: 'postern.example', timeouts: { rset: 60_000, quit: 200 } };
  await using it = await start({ session }, { answers: { RSET } });
  const used = await it.pool.acquire();
  await used.command('MAIL FROM:<a@x>', 'mail');
  it.pool.release(used);
  const closed = it.pool.close();
  await it.downstream.until(() => it.downstream.commands.at(-1) === 'RSET');
  answered.resolve();
  await closed;
  assert.equal(it.pool.counts.idle, 0);
  await it.downstream.until(() => it.downstream.commands.at(-1) === 'QUIT' && it.downstream.open === 0);
});

test('closing refuses who waits, and whose connection is being opened', async () => {
  await using it = await start({ size: 1 }, { answers: { GREETING: () => 'stall' } });
  const opening = it.pool.acquire();
  const waiting = it.pool.acquire();
  await it.downstream.until(() => it.downstream.connections === 1);
  const closed = it.pool.close();
  await assert.rejects(opening, isError('connect'));
  await assert.rejects(waiting, isError('waiting'));
  await closed;
});

test('a pool has destinations of one protocol', () => {
  assert.throws(() => poolOf([]), TypeError);
  assert.throws(() => poolOf(['smtp://127.0.0.1', 'lmtp://127.0.0.1']), TypeError);
  assert.equal(poolOf(['lmtp://127.0.0.1']).protocol, 'lmtp');
});
