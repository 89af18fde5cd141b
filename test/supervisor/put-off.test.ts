// Places by listener over all workers, and what becomes of connections that no worker got.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import type { ListenerConfiguration } from '../../src/config/configuration.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { Places } from '../../src/supervisor/places.ts';
import { PutOff, type PutOffReason } from '../../src/supervisor/put-off.ts';
import { RawClient } from '../support/raw-client.ts';

const file = join(import.meta.dirname, '../../config/examples/several-listeners.yaml');
const configuration = loadConfiguration({ file, environment: {} });

/** A peer's socket, as a listening socket gives it; the rest of it is nobody's business here. */
async function accepted(use: (socket: Socket, client: RawClient) => Promise<void>): Promise<void> {
  const server = createServer({ pauseOnConnect: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const connection = once(server, 'connection');
  try {
    using client = await RawClient.connect({ host: '127.0.0.1', port: address.port });
    const [socket] = (await connection) as [Socket];
    await use(socket, client);
    socket.destroy();
  } finally {
    server.close();
  }
}

test('places of a listener are counted over all workers, and each listener has its own', () => {
  const [one, other] = configuration.listeners;
  assert.ok(one && other);
  const listeners = [
    { ...one, limits: { ...one.limits, connections: 3 } },
    { ...other, limits: { ...other.limits, connections: 1 } },
  ];
  let retiring = 0;
  const workers = [
    { connectionsOf: (name: string) => (name === one.name ? 2 : 0) },
    { connectionsOf: (name: string) => (name === one.name ? retiring : 0) },
  ];
  const places = new Places({ workers: () => workers, configuration: () => ({ listeners }) });
  const room = () => [one, other].map(({ name }) => places.room({ listener: name, state: 'open' }));
  assert.deepEqual(room(), [1, 1]);
  retiring = 1;
  assert.deepEqual(room(), [0, 1]);
  // Under the configuration before there may have been more.
  retiring = 5;
  assert.deepEqual(room(), [0, 1]);
});

test('who may connect is in `clients` or, with a PROXY header, in `proxyProtocol`; at a UNIX socket anybody', () =>
  accepted(async (socket) => {
    const [some] = configuration.listeners;
    assert.ok(some);
    const listener = { ...some, listen: { host: '127.0.0.1', port: 25 }, proxyProtocol: [] };
    const mayConnect = (changes: Partial<ListenerConfiguration>) => {
      const listeners = [{ ...listener, ...changes }];
      const places = new Places({ workers: () => [], configuration: () => ({ listeners }) });
      return places.mayConnect({ listener: some.name, state: 'open' }, socket);
    };
    assert.equal(mayConnect({ clients: ['127.0.0.0/8'] }), true);
    assert.equal(mayConnect({ clients: ['192.0.2.0/24'] }), false);
    assert.equal(mayConnect({ clients: ['192.0.2.0/24'], proxyProtocol: ['127.0.0.1'] }), true);
    assert.equal(mayConnect({ clients: [], listen: { path: '/run/in.sock' } }), true);
  }));

/** What is put off with it, what that counts, and what the log says. */
function putOffWithLog() {
  const lines: unknown[] = [];
  const counted: string[] = [];
  const ignore = () => undefined;
  const log = {
    error: ignore,
    info: ignore,
    debug: ignore,
    warn: (event: string, fields: unknown) => lines.push([event, fields]),
  };
  const count = (listener: string, reason: string) => counted.push(`${listener} ${reason}`);
  return { putOff: new PutOff({ log: () => log, count }), lines, counted };
}

test('who is put off gets 421, is counted, and told with the address', () =>
  accepted(async (socket, client) => {
    const { putOff, lines, counted } = putOffWithLog();
    const closed = once(socket, 'close');
    putOff.putOff('in', socket, 'no_worker');
    assert.equal(await client.line(), '421 4.3.2 service not available, try again later');
    assert.equal(await client.line(), undefined);
    const fields = { listener: 'in', reason: 'no_worker', connections: 1, client: '127.0.0.1' };
    assert.deepEqual(lines, [['connections put off', fields]]);
    assert.deepEqual(counted, ['in no_worker']);
    await closed;
  }));

test('of many that are put off each is counted; the first is told at once, then there is a line each second', () => {
  const { putOff, lines, counted } = putOffWithLog();
  const many = (count: number, reason: PutOffReason) => {
    // Sockets of peers that are gone.
    for (let i = 0; i < count; i += 1)
      putOff.putOff(
        'in',
        new Socket().on('error', () => undefined),
        reason,
      );
  };
  const line = (reason: PutOffReason, connections: number) => [
    'connections put off',
    { listener: 'in', reason, connections },
  ];
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    many(500, 'too_many_waiting');
    many(500, 'closing');
    assert.deepEqual(lines.splice(0), [line('too_many_waiting', 1), line('closing', 1)]);
    mock.timers.tick(1000);
    assert.deepEqual(lines.splice(0), [line('too_many_waiting', 499), line('closing', 499)]);
    many(2, 'closing');
    assert.deepEqual(lines, []);
    mock.timers.tick(1000);
    assert.deepEqual(lines.splice(0), [line('closing', 2)]);
    mock.timers.tick(5000);
    assert.deepEqual(lines, []);
    many(3, 'closing');
    putOff.close();
    assert.deepEqual(lines, [line('closing', 1), line('closing', 2)]);
  } finally {
    mock.timers.reset();
  }
  assert.equal(counted.length, 1005);
  assert.equal(counted.filter((each) => each === 'in too_many_waiting').length, 500);
});
