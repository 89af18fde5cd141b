// Metrics, health and status while the configuration changes: another address, another token, off and on; and when their process dies.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { greet, send } from './support/load.ts';
import { noMemoryFor } from './support/no-memory.ts';
import { isRunning, Served } from './support/served.ts';

const workers = 1;
const [oneToken, otherToken] = ['the-first-of-two-tokens', 'the-other-of-two-tokens'];

/** Where HTTP is bound, as the log said last. */
async function site(served: Served): Promise<string> {
  await served.until(() => served.of('http listening').length > 0);
  return `http://${served.of('http listening').at(-1)?.address}`;
}

/** The status of an answer, or why there is none. */
async function statusOf(url: string, token?: string): Promise<number | string> {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  try {
    return (
      await fetch(url, { headers: { ...headers, Connection: 'close' }, signal: AbortSignal.timeout(10_000) })
    ).status;
  } catch (error) {
    const { cause } = error as { readonly cause?: { readonly code?: string } };
    return cause?.code ?? String(error);
  }
}

test('a reload moves HTTP to another address, switches it off and on; the old address is free then', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers, http: '127.0.0.1:0' });
  const before = await site(served);
  assert.equal(await statusOf(`${before}/metrics`), 200);
  served.write(listeners, { workers, http: '127.0.0.2:0' });
  await served.reload();
  const after = await site(served);
  assert.match(after, /^http:\/\/127\.0\.0\.2:/);
  assert.equal(await statusOf(`${after}/metrics`), 200);
  await until(async () => (await statusOf(`${before}/healthz`)) === 'ECONNREFUSED');
  served.write(listeners, { workers, http: false });
  await served.reload();
  await until(async () => (await statusOf(`${after}/healthz`)) === 'ECONNREFUSED');
  served.write(listeners, { workers, http: new URL(before).host });
  await served.reload();
  assert.equal(await site(served), before);
  assert.equal(await statusOf(`${before}/readyz`), 200);
});

test('HTTP that a reload switches on hears of every message from then on', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  const settings = { workers, trace: { keep: 0 } };
  await using served = await Served.start(listeners, settings);
  served.write(listeners, { ...settings, http: '127.0.0.1:0' });
  await served.reload();
  const base = await site(served);
  using client = await greet(served.port());
  await send(client, 'heard');
  await until(async () => {
    const answer = await fetch(`${base}/api/transactions`, { headers: { Connection: 'close' } });
    const { transactions } = (await answer.json()) as { readonly transactions: readonly unknown[] };
    return transactions.length === 1;
  });
});

test('a reload gives the same address another token, and only that one opens', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  const settings = (token: string) => ({ workers, http: { listen: '127.0.0.1:0', token } });
  await using served = await Served.start(listeners, settings(oneToken));
  const base = await site(served);
  assert.equal(await statusOf(`${base}/metrics`, oneToken), 200);
  served.write(listeners, settings(otherToken));
  await served.reload();
  assert.equal(await site(served), base);
  await until(async () => (await statusOf(`${base}/metrics`, oneToken)) === 401);
  assert.equal(await statusOf(`${base}/metrics`, otherToken), 200);
  await served.until(() => served.workers().length === 2);
});

test('an `http` address that a reload cannot have changes nothing: neither HTTP, nor workers, nor the log', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers, http: '127.0.0.1:0' });
  const base = await site(served);
  const processes = served.workers();
  const taken = `127.0.0.1:${downstream.port}`;
  const log = { output: `${served.directory}/other.log` };
  served.write([...listeners, { name: 'more', destinations: [downstream.destination] }], {
    workers,
    http: taken,
    log,
  });
  await served.reload();
  const [told] = served.of('configuration not used');
  assert.match(String(told?.mistake), new RegExp(`cannot listen on ${taken}: another program listens there`));
  assert.equal(served.of('configuration reloaded').length, 0);
  await served.until(() => served.workers().length === processes.length);
  assert.deepEqual(served.workers(), processes);
  assert.equal(await statusOf(`${base}/metrics`), 200);
  assert.equal(served.of('listening').filter(({ listener }) => listener === 'more').length, 0);
  using client = await greet(served.port());
  await send(client, 'as before');
  // The next one that is good is used.
  served.write(listeners, { workers, http: '127.0.0.1:0' });
  await served.reload();
  assert.equal(served.of('configuration reloaded').length, 1);
});

test('a reload that fails when HTTP is served as it wants it already leaves the one before, and no other', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([{ destinations: [destination] }], { workers });
  const path = join(served.directory, 'in.sock');
  const listener = (mode: string) => ({
    listen: `unix:${path}`,
    socket: { mode },
    destinations: [destination],
  });
  served.write([listener('0600')], { workers, http: '127.0.0.1:0' });
  await served.reload();
  const base = await site(served);
  await served.until(() => served.workers().length === 2);
  const processes = served.workers();
  // The new worker takes away what is to get another mode.
  writeFileSync(
    join(served.directory, 'check.cjs'),
    `if (process.send) require('node:fs').unlinkSync('${path}'); module.exports = { name: 'x-mine', connect: () => [] };`,
  );
  const log = { output: `${served.directory}/other.log` };
  served.write([listener('0666')], {
    workers,
    http: '127.0.0.2:0',
    log,
    checks: { custom: [{ module: './check.cjs' }] },
  });
  await served.reload();
  assert.match(String(served.of('configuration not used')[0]?.mistake), /ENOENT/);
  await served.until(() => served.workers().length === processes.length);
  assert.deepEqual(served.workers(), processes);
  assert.equal(await statusOf(`${base}/metrics`), 200);
  assert.equal(served.hasOpen(log.output), false);
});

test('what could not be served at the start is no reason to refuse a reload that leaves it as it is', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  const settings = { workers, http: `127.0.0.1:${downstream.port}` };
  await using served = await Served.start(listeners, settings);
  await served.until(() => served.events.some(({ event }) => event.startsWith('no metrics, health')));
  await served.reload();
  assert.equal(served.of('configuration reloaded').length, 1);
});

test('it is served as soon as its address is free', async () => {
  await using downstream = await ScriptedDownstream.start();
  const other = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers, http: `127.0.0.1:${other.port}` });
  await served.until(() => served.events.some(({ event }) => event.startsWith('no metrics, health')));
  await other[Symbol.asyncDispose]();
  assert.equal(await statusOf(`${await site(served)}/healthz`), 200);
});

test('the process that serves HTTP dies: mail does not notice, and another one takes its place', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers, http: '127.0.0.1:0' });
  await site(served);
  const [mail = 0, http = 0] = served.workers();
  using client = await greet(served.port());
  process.kill(http, 'SIGKILL');
  await served.until(() => served.of('http process died').length === 1);
  await send(client, 'meanwhile');
  await served.until(() => served.of('http listening').length === 2);
  const [died] = served.of('http process died');
  assert.deepEqual([died?.pid, died?.signal, died?.replacedAfterMs], [http, 'SIGKILL', 0]);
  assert.equal(await statusOf(`${await site(served)}/metrics`), 200);
  assert.ok(isRunning(mail) && served.workers().includes(mail));
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
});

test('more connections than there is room for are closed, and others are served again', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers, http: '127.0.0.1:0' });
  const base = await site(served);
  const { hostname, port } = new URL(base);
  const open: Socket[] = [];
  const dropped = Promise.withResolvers<void>();
  for (let i = 0; i < 201; i += 1) {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('error', () => undefined).once('close', () => dropped.resolve());
    open.push(socket);
    await once(socket, 'connect');
  }
  await dropped.promise;
  for (const socket of open) socket.destroy();
  await until(async () => (await statusOf(`${base}/healthz`)) === 200);
});

/** Bounded by the number of attempts: what is waited for makes no sound. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i += 1) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it never was so');
}

test('where the system has no memory for the process of HTTP, mail passes, and it is tried again', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  // The first is the worker.
  const environment = noMemoryFor('fork', 1 + workers);
  await using served = await Served.start(listeners, { workers, http: '127.0.0.1:0' }, environment);
  assert.equal(await statusOf(`${await site(served)}/readyz`), 200);
  const told = served.events.filter(({ event }) => event.startsWith('no metrics'));
  assert.match(JSON.stringify(told), /ENOMEM/);
  assert.deepEqual(served.of('uncaught exception'), []);
});
