// Name servers that do not answer are told of; domains whose own servers are in trouble are not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Resolver } from '../../src/dns/resolver.ts';
import { ServerWatch, type TellServers } from '../../src/dns/server-watch.ts';
import { NameServer } from '../support/name-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';

type State = Parameters<TellServers>[0];

test('name servers that are gone are told of once, and when they are back', async () => {
  let server = await NameServer.start();
  const { address } = server;
  await server[Symbol.asyncDispose]();
  const told: State[] = [];
  let heard = Promise.withResolvers<void>();
  const resolver = new Resolver(
    {
      servers: [address],
      timeoutMs: 2000,
      tries: 1,
      zoneOnly: false,
      cache: { entries: 100, maxAgeMs: 60_000, failureAgeMs: 60_000 },
      transactionMs: 10_000,
    },
    undefined,
    (state) => {
      told.push(state);
      heard.resolve();
    },
  );
  for (const name of ['a.example', 'b.example']) await assert.rejects(resolver.resolve(name, 'TXT'));
  await heard.promise;
  assert.deepEqual(told, [{ answering: false, servers: [address], code: 'ECONNREFUSED', failed: 2 }]);

  heard = Promise.withResolvers<void>();
  const [host = '', port] = address.split(':');
  server = await NameServer.start({}, { address: host, port: Number(port) });
  await assert.rejects(resolver.resolve('c.example', 'TXT'), { code: 'ENOTFOUND' });
  await heard.promise;
  assert.deepEqual(told[1], { answering: true });
  await server[Symbol.asyncDispose]();
  resolver.close();
});

/** A watch whose questions for the root end as it is told, and what it has said. */
function watch(root: string | undefined) {
  const told: State[] = [];
  let asked = 0;
  const askRoot = async () => {
    asked += 1;
    return root;
  };
  const made = new ServerWatch(
    () => ['192.0.2.53'],
    askRoot,
    (state) => told.push(state),
  );
  return { ended: (code?: string) => made.ended(code), told, asked: () => asked };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const minuteMs = 60_000;

test('a domain whose servers do not answer is nothing to tell of, and no reason to ask more than once a minute', async (t) => {
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  for (const root of [undefined, 'ENOTFOUND', 'EREFUSED', 'ECANCELLED']) {
    const { ended, told, asked } = watch(root);
    for (const looks of [1, 2]) {
      for (let i = 0; i < 10; i += 1) {
        ended('ESERVFAIL');
        await turn();
      }
      assert.equal(asked(), looks, root);
      now += minuteMs;
    }
    assert.deepEqual(told, []);
  }
});

test('while nothing is answered it is told each minute, with how much was asked for in vain', async (t) => {
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  const { ended, told } = watch('ETIMEOUT');
  const silent = { answering: false, servers: ['192.0.2.53'], code: 'ETIMEOUT' };
  for (const code of ['ETIMEOUT', 'ETIMEOUT', 'EBADNAME']) {
    ended(code);
    await turn();
  }
  now += minuteMs;
  ended('ETIMEOUT');
  await turn();
  assert.deepEqual(told, [
    { ...silent, failed: 1 },
    { ...silent, failed: 3 },
  ]);
  ended(undefined);
  assert.deepEqual(told.at(-1), { answering: true });
  ended('ETIMEOUT');
  await turn();
  assert.deepEqual(told.at(-1), { ...silent, failed: 1 }, 'at once, when they are gone again');
});

test('the log names the servers and what is wrong with them', async () => {
  const server = await NameServer.start();
  const { address } = server;
  await server[Symbol.asyncDispose]();
  await using proxy = await RunningProxy.start({
    listener: { destinations: ['smtp://127.0.0.1:1'] },
    settings: { dns: { servers: [address] } },
  });
  using client = await RawClient.connect(proxy.address);
  await client.reply();
  await client.ask('EHLO client.example');
  await client.ask('XFORWARD NAME=client.example ADDR=192.0.2.10 HELO=client.example');
  await client.ask('MAIL FROM:<a@example.com>');
  const said = () => proxy.events.find(({ event }) => event === 'name servers do not answer');
  while (!said()) await turn();
  const { level, fields } = said() ?? assert.fail();
  assert.deepEqual(
    [level, fields.servers, fields.error],
    ['warn', [address], 'no name server listens there'],
  );
});
