// More than there is room for: 421 for connections, 452 for messages, and nothing of what was refused is kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { beginContent, greet, missing, send } from './support/load.ts';
import { Served } from './support/served.ts';

test('above the limit of connections, whichever workers have them, 421', async () => {
  await using downstream = await ScriptedDownstream.start();
  const limits = { connections: 4 };
  await using served = await Served.start([{ destinations: [downstream.destination], limits }]);
  const clients: RawClient[] = [];
  for (let i = 0; i < 4; i += 1) clients.push(await greet(served.port()));
  using surplus = await RawClient.connect(served.port());
  assert.match((await surplus.line()) ?? '', /^421 4\.3\.2 too many connections/);
  for (const client of clients) assert.match((await client.ask('QUIT'))[0] ?? '', /^221 /);
});

test('above the limit of the spool 452, inside of a message and at DATA; later there is room again', async () => {
  await using downstream = await ScriptedDownstream.start();
  const spool = { limit: '40KiB', messageLimit: '40KiB' };
  const settings = { workers: 1, spool };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  const header = 'From: a@example.com\r\nSubject: long\r\n\r\n';
  using held = await beginContent(served.port());
  held.send(header.padEnd(20_000, 'a line of text\r\n'));
  // What the server has taken of it is not said; until it has enough, others get through.
  const inside = await untilRefused(async () => {
    using client = await beginContent(served.port());
    return await client.ask(`${header.padEnd(30_000, 'a line of text\r\n')}\r\n.`);
  });
  assert.match(inside, /^452 4\.3\.1 /);
  held.send('a line of text\r\n'.repeat(1200));
  const atData = await untilRefused(async () => {
    using client = await greet(served.port());
    await client.ask('MAIL FROM:<a@example.com>');
    await client.ask('RCPT TO:<b@example.com>');
    return await client.ask('DATA');
  });
  assert.match(atData, /^452 4\.3\.1 /);
  assert.match((await held.ask('\r\n.'))[0] ?? '', /^250 /);
  using client = await greet(served.port());
  await send(client, 'after');
  assert.deepEqual(missing(['after'], downstream), []);
});

/** The first reply of those that is neither 2yz nor 3yz. */
async function untilRefused(attempt: () => Promise<string[]>): Promise<string> {
  for (let i = 0; i < 100; i += 1) {
    const [reply = ''] = await attempt();
    if (!/^[23]/.test(reply)) return reply;
  }
  throw new Error('never refused');
}
