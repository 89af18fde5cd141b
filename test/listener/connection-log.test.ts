// What connections leave in the log: one line when they are over, and one for what went wrong before they began.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pool } from '../../src/relay/pool.ts';
import { RawClient } from '../support/raw-client.ts';
import { type LoggedEvent, listenerTls, RunningProxy, tlsFiles } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

/** Holds a conversation with a proxy; what it has logged when it has stopped. */
async function logged(
  talk: (client: RawClient, proxy: RunningProxy) => Promise<void>,
  listener: Readonly<Record<string, unknown>> = {},
): Promise<readonly LoggedEvent[]> {
  await using downstream = await ScriptedDownstream.start();
  const proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination], ...listener },
    files: tlsFiles,
  });
  try {
    using client = await RawClient.connect(proxy.address);
    await talk(client, proxy);
  } finally {
    await proxy[Symbol.asyncDispose]();
  }
  return proxy.events;
}

/** The one event of that name. */
function only(events: readonly LoggedEvent[], name: string): LoggedEvent {
  const found = events.filter(({ event }) => event === name);
  assert.equal(found.length, 1, `${name}: ${JSON.stringify(found)}`);
  return found[0] ?? assert.fail();
}

test('a connection that went well is told at debug: who, how many transactions, how it ended', async () => {
  const events = await logged(async (client) => {
    await client.line();
    await client.ask('EHLO upstream.example');
    await client.ask('MAIL FROM:<a@example.com>');
    await client.ask('RSET');
    await client.ask('QUIT');
    assert.equal(await client.line(), undefined);
  });
  const { level, fields } = only(events, 'connection closed');
  const { connection, milliseconds, ...rest } = fields;
  assert.equal(level, 'debug');
  assert.deepEqual(rest, {
    listener: 'test',
    client: '127.0.0.1',
    helo: 'upstream.example',
    ended: 'quit',
    transactions: 1,
  });
  assert.equal(typeof milliseconds, 'number');
  assert.equal(connection, only(events, 'connection opened').fields.connection);
  assert.equal(connection, only(events, 'transaction').fields.connection);
});

test('one that was cut inside a transaction is told at info', async () => {
  const events = await logged(async (client) => {
    await client.line();
    await client.ask('EHLO upstream.example');
    await client.ask('MAIL FROM:<a@example.com>');
    client.close();
  });
  const { level, fields } = only(events, 'connection closed');
  assert.deepEqual([level, fields.ended], ['info', 'closed inside a transaction']);
});

test('an idle timeout is told at info', async () => {
  const events = await logged(
    async (client) => {
      await client.line();
      assert.match((await client.line()) ?? '', /^421 /);
    },
    { limits: { idle: '100ms' } },
  );
  const { level, fields } = only(events, 'connection closed');
  assert.deepEqual([level, fields.ended, fields.transactions], ['info', 'idle timeout', 0]);
});

test('TLS is told with its version and cipher', async () => {
  const events = await logged(
    async (client) => {
      await client.line();
      await client.ask('EHLO upstream.example');
      await client.ask('STARTTLS');
      await client.secure();
      await client.ask('QUIT');
    },
    { tls: listenerTls },
  );
  const { tls } = only(events, 'connection closed').fields as { tls: { version: string; cipher: string } };
  assert.match(tls.version, /^TLSv1\.[23]$/);
  assert.match(tls.cipher, /^[A-Z0-9_-]+$/);
});

test('a handshake that fails is told, with implicit TLS and after STARTTLS', async () => {
  const implicit = await logged(
    async (client) => {
      client.send('EHLO upstream.example\r\n');
      while ((await client.line()) !== undefined);
    },
    { tls: { ...listenerTls, mode: 'implicit' } },
  );
  const { level, fields } = only(implicit, 'tls failed');
  assert.deepEqual([level, fields.error], ['warn', 'wrong version number']);
  assert.ok(!implicit.some(({ event }) => event === 'listener error'));
  const started = await logged(
    async (client) => {
      await client.line();
      await client.ask('EHLO upstream.example');
      await client.ask('STARTTLS');
      client.send('this is no handshake\r\n');
      while ((await client.line()) !== undefined);
    },
    { tls: listenerTls },
  );
  assert.equal(only(started, 'tls failed').level, 'warn');
  const closed = only(started, 'connection closed').fields;
  assert.deepEqual([closed.ended, closed.error], ['tls failed', 'wrong version number']);
});

test('a bad PROXY header is a warning; a connection that says nothing at all is none', async () => {
  const listener = { proxyProtocol: ['127.0.0.1'] };
  const bad = await logged(async (client) => {
    client.send('EHLO upstream.example\r\n');
    while ((await client.line()) !== undefined);
  }, listener);
  const { level, fields } = only(bad, 'proxy header failed');
  assert.deepEqual([level, fields.client, fields.expected], ['warn', '127.0.0.1', 'version 1']);
  const silent = await logged(async (client) => client.close(), listener);
  assert.ok(
    silent.filter(({ event }) => event === 'proxy header failed').every((each) => each.level === 'debug'),
  );
});

test('a client of no network that may connect is refused with a warning', async () => {
  const events = await logged(
    async (client) => {
      assert.match((await client.line()) ?? '', /^554 /);
    },
    { clients: ['192.0.2.1'] },
  );
  const { level, fields } = only(events, 'connection refused');
  assert.deepEqual([level, fields.client], ['warn', '127.0.0.1']);
});

test('a mistake of ours is told with where it was made', async (t) => {
  const events = await logged(async (client) => {
    await client.reply();
    t.mock.method(Pool.prototype, 'learn', () => assert.fail('a mistake'));
    client.send('EHLO client.example\r\n');
    assert.deepEqual(await client.reply(), ['451 4.3.0 internal error, try again later']);
    t.mock.restoreAll();
  });
  const { level, fields } = only(events, 'internal error');
  assert.equal(level, 'error');
  assert.match(String(fields.stack), /a mistake\n[\s\S]*\bat .*connection-log\.test\.ts/);
});
