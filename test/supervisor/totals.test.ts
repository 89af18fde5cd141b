// Limits are totals: over workers, over listeners, and over the workers of configurations that are being replaced.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { beginContent, finish, greet, Load, missing, send } from './support/load.ts';
import { Served } from './support/served.ts';

const tooMany = /^421 4\.3\.2 too many connections/;
const testTls = (name: string) => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url));

/** The line in place of the greeting. */
async function refusal(served: Served, listener?: string): Promise<string> {
  using client = await RawClient.connect(served.port(listener));
  const line = (await client.line()) ?? '';
  assert.equal(await client.line(), undefined);
  return line;
}

test('each of two listeners has all of its connections, in whatever order they come', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([
    { destinations: [destination], limits: { connections: 4 } },
    { name: 'other', destinations: [destination], limits: { connections: 5 } },
  ]);
  const clients: RawClient[] = [];
  // By the number of all connections alone, one worker would have those of one listener, the other one those of the other.
  for (const listener of ['in', 'other', 'in', 'other', 'in', 'other', 'in', 'other', 'other']) {
    clients.push(await greet(served.port(listener)));
  }
  assert.match(await refusal(served), tooMany);
  assert.match(await refusal(served, 'other'), tooMany);
  for (const client of clients) await send(client, 'all');
  const refused = served.of('connection refused');
  assert.deepEqual(
    refused.map(({ listener, level, reply }) => [listener, level, reply]),
    ['in', 'other'].map((listener) => [listener, 'warn', '421 4.3.2 too many connections, try again later']),
  );
  assert.ok(refused.every(({ connection, client, worker }) => connection && client && worker));
  for (const client of clients) client.close();
});

test('a limit below the number of workers holds, and who says QUIT makes room for who comes next', async () => {
  await using downstream = await ScriptedDownstream.start();
  const settings = { workers: 3 };
  const listener = { destinations: [downstream.destination], limits: { connections: 1 } };
  await using served = await Served.start([listener], settings);
  {
    using only = await greet(served.port());
    assert.match(await refusal(served), tooMany);
    await send(only, 'only');
  }
  await using load = new Load(() => served.port(), { clients: 1 });
  await load.more(50);
  await load.stop();
  assert.deepEqual(load.failed, []);
  assert.deepEqual(missing(['only', ...load.acknowledged], downstream), []);
});

test('who says QUIT has no place any more, also if it never closes its side', async () => {
  const listener = { destinations: ['smtp://127.0.0.1:1'], limits: { connections: 1 } };
  await using served = await Served.start([listener], { workers: 1 });
  const lasting = connect({ ...served.port(), allowHalfOpen: true });
  lasting.resume().write('QUIT\r\n');
  await once(lasting, 'end');
  using next = await greet(served.port());
  assert.match((await next.ask('NOOP')).join(), /^250 /);
  lasting.destroy();
});

test('a connection that is encrypted by STARTTLS gives its place back, as one that is reset does', async () => {
  await using downstream = await ScriptedDownstream.start();
  const tls = { certificate: testTls('localhost.crt'), key: testTls('localhost.key') };
  const listener = { destinations: [downstream.destination], limits: { connections: 1 }, tls };
  await using served = await Served.start([listener]);
  for (const ends of [
    async (client: RawClient) => assert.match((await client.ask('QUIT'))[0] ?? '', /^221 /),
    async (client: RawClient) => client.close(),
  ]) {
    using client = await greet(served.port());
    assert.match((await client.ask('STARTTLS'))[0] ?? '', /^220 /);
    await client.secure();
    assert.match((await client.ask('EHLO client.example'))[0] ?? '', /^250/);
    assert.match(await refusal(served), tooMany);
    await ends(client);
    const next = await greet(served.port());
    next.close('reset');
  }
  using last = await greet(served.port());
  await send(last, 'last');
  assert.deepEqual(missing(['last'], downstream), []);
});

test('a worker that is killed gives back the places that it had', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listener = { destinations: [downstream.destination], limits: { connections: 2 } };
  await using served = await Served.start([listener]);
  const clients = [await greet(served.port()), await greet(served.port())];
  assert.match(await refusal(served), tooMany);
  process.kill(served.workers()[0] ?? 0, 'SIGKILL');
  await served.until(() => served.of('worker replaced').length === 1);
  using again = await greet(served.port());
  await send(again, 'again');
  assert.match(await refusal(served), tooMany);
  for (const client of clients) client.close();
});

test('during a reload connections of before count, until they are over', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listener = { destinations: [downstream.destination], limits: { connections: 2 } };
  await using served = await Served.start([listener]);
  using before = await beginContent(served.port());
  await served.reload();
  using after = await greet(served.port());
  assert.match(await refusal(served), tooMany);
  await finish(before, 'before');
  assert.match((await before.ask('QUIT'))[0] ?? '', /^221 /);
  using later = await greet(served.port());
  for (const [client, id] of [
    [after, 'after'],
    [later, 'later'],
  ] as const) {
    await send(client, id);
  }
  assert.deepEqual(missing(['before', 'after', 'later'], downstream), []);
});

test('pools too are totals: so many transactions at a time reach the downstream, the others wait', async () => {
  let [open, most] = [0, 0];
  await using downstream = await ScriptedDownstream.start({
    answers: {
      MAIL: () => {
        open += 1;
        most = Math.max(most, open);
        return undefined;
      },
      CONTENT: () => {
        open -= 1;
        return undefined;
      },
    },
  });
  const listener = (name: string) => ({
    name,
    destinations: [downstream.destination],
    pool: { size: 2, waiting: 20 },
  });
  await using served = await Served.start([listener('in')]);
  await using load = new Load(() => served.port(), { clients: 8, perConnection: 5 });
  await load.more(40);
  await load.stop();
  assert.deepEqual(load.failed, []);
  assert.deepEqual(missing(load.acknowledged, downstream), []);
  assert.equal(most, 2);
});
