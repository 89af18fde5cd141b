// What a session keeps of a message once it has been sent: nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseDestination } from '../../src/relay/destination.ts';
import { DownstreamSession } from '../../src/relay/session.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

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
