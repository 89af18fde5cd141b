// What is kept of a message once it has been sent, and of a pool once it is closed: nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseDestination } from '../../src/relay/destination.ts';
import { Pool } from '../../src/relay/pool.ts';
import { DownstreamSession } from '../../src/relay/session.ts';
import { collectGarbage } from '../support/garbage.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

test('a session that has sent a message holds on to none of its chunks', async () => {
  await using downstream = await ScriptedDownstream.start();
  const destination = parseDestination(downstream.destination);
  assert.ok(typeof destination !== 'string');
  const session = await DownstreamSession.open(destination, { helloName: 'test.example' });
  const chunks: WeakRef<Buffer>[] = [];
  async function* message() {
    for (let i = 0; i < 64; i++) {
      const chunk = Buffer.alloc(1024, 'x');
      chunks.push(new WeakRef(chunk));
      yield chunk;
    }
  }
  await session.command('MAIL FROM:<a@example.com>', 'mail');
  await session.command('RCPT TO:<b@example.com>', 'rcpt');
  await session.command('DATA', 'data');
  await session.content(message(), 1);
  await session.command('RSET', 'rset');
  collectGarbage();
  const kept = chunks.filter((chunk) => chunk.deref() !== undefined).length;
  // The last one or two may still be on somebody's stack.
  assert.ok(kept <= 2, `${kept} of ${chunks.length} chunks are kept`);
  session.destroy();
});

test('a pool that was closed is held by nothing, not even by the timer of a session that rested', async () => {
  await using downstream = await ScriptedDownstream.start();
  const destination = parseDestination(downstream.destination);
  assert.ok(typeof destination !== 'string');
  const used = async () => {
    const pool = new Pool({
      session: { helloName: 'test.example' },
      destinations: [destination],
      size: 1,
      idleMs: 60_000,
      ageMs: 60_000,
      transactions: 100,
      waitMs: 5_000,
      waiting: 1,
      backoffMs: 60_000,
      backoffMaxMs: 60_000,
      checkAfterMs: 60_000,
    });
    pool.release(await pool.acquire());
    assert.equal(pool.counts.idle, 1);
    await pool.close();
    return new WeakRef(pool);
  };
  const pool = await used();
  // What a job has looked at lives until the job is over.
  await nextTurn();
  collectGarbage();
  assert.equal(pool.deref(), undefined);
});
