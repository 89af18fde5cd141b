// When the process of HTTP is started again: not at once for ever, not as it was wanted before, and with one line in the log.
import assert from 'node:assert/strict';
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { Monitor, type MonitorOptions } from '../../src/supervisor/monitor.ts';
import type { TotalObservatory } from '../../src/supervisor/total-observatory.ts';
import { type LogFields, silentLog } from '../../src/telemetry/log.ts';

/** A monitor whose time is the test's, the processes that it has started, and what it tells. */
function monitored(t: TestContext, listen: string) {
  const { http, log } = loadConfiguration({
    environment: {
      POSTERN_LISTEN: '127.0.0.1:0',
      POSTERN_DESTINATION: 'smtp://127.0.0.1:25',
      POSTERN_HTTP: listen,
    },
  });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const events: [string, unknown][] = [];
  let told = Promise.withResolvers<void>();
  const tell = (event: string, fields?: LogFields) => {
    events.push([event.split(':')[0] ?? '', fields?.replacedAfterMs]);
    told.resolve();
    told = Promise.withResolvers();
  };
  const monitor = new Monitor({ follow() {} } as Partial<TotalObservatory> as TotalObservatory, {
    ...silentLog,
    error: tell,
    info: tell,
  });
  const forks = t.mock.method(cluster, 'fork').mock;
  t.after(() => monitor.close());
  return {
    monitor,
    options: { http, account: undefined, log: { ...log, level: 'error' } } satisfies MonitorOptions,
    events,
    nextEvent: () => told.promise,
    processes: () => forks.calls.map(({ result }) => result as Worker),
  };
}

/** Another program that listens. */
async function otherProgram(listen = '127.0.0.1:0') {
  const [host, port] = listen.split(':');
  const server = createServer().listen(Number(port), host);
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    listen: `${address.address}:${address.port}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

test('an address that HTTP cannot have is told once, and not asked for any more when none is wanted', async (t) => {
  await using other = await otherProgram();
  const { monitor, options, events, processes } = monitored(t, other.listen);
  await monitor.start(options);
  for (const delayMs of [0, 1000]) {
    t.mock.timers.tick(delayMs);
    await once(processes().at(-1) as Worker, 'exit');
  }
  assert.deepEqual(events, [['no metrics, health and status', undefined]]);
  (await monitor.prepare({ ...options, http: false })).commit();
  t.mock.timers.tick(60_000);
  assert.equal(processes().length, 3);
});

test('an address that HTTP has had and cannot have any more is told again', async (t) => {
  const other = await otherProgram();
  const { monitor, options, events, nextEvent, processes } = monitored(t, other.listen);
  await monitor.start(options);
  await other[Symbol.asyncDispose]();
  const listens = nextEvent();
  t.mock.timers.tick(0);
  await listens;
  const died = nextEvent();
  processes().at(-1)?.process.kill('SIGKILL');
  await died;
  await using _another = await otherProgram(other.listen);
  const told = nextEvent();
  t.mock.timers.tick(1000);
  await told;
  assert.deepEqual(
    events.map(([event]) => event),
    ['no metrics, health and status', 'http listening', 'http process died', 'no metrics, health and status'],
  );
});

test('of a process of HTTP that is stuck the log says so, and that it was killed', async (t) => {
  const { monitor, options, events, nextEvent, processes } = monitored(t, '127.0.0.1:0');
  await monitor.start(options);
  const { pid } = processes()[0]?.process ?? {};
  assert.ok(pid);
  process.kill(pid, 'SIGSTOP');
  const stuck = nextEvent();
  t.mock.timers.tick(60_000);
  t.mock.timers.tick(60_000);
  await stuck;
  await nextEvent();
  assert.deepEqual(
    events.map(([event]) => event),
    ['http listening', 'http process stuck', 'http process died'],
  );
});

test('a process of HTTP that dies again is replaced later, and one that is not wanted any more is not', async (t) => {
  const { monitor, options, events, nextEvent, processes } = monitored(t, '127.0.0.1:0');
  await monitor.start(options);
  for (const delayMs of [0, 1000]) {
    const died = nextEvent();
    processes().at(-1)?.process.kill('SIGKILL');
    await died;
    const listens = nextEvent();
    t.mock.timers.tick(delayMs);
    await listens;
  }
  (await monitor.prepare({ ...options, http: false })).commit();
  await once(processes().at(-1) as Worker, 'exit');
  t.mock.timers.tick(60_000);
  assert.deepEqual(events, [
    ['http listening', undefined],
    ['http process died', 0],
    ['http listening', undefined],
    ['http process died', 1000],
    ['http listening', undefined],
  ]);
  assert.equal(processes().length, 3);
});
