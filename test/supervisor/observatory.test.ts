// What is seen from outside: all workers as one, whichever of them had the message.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { greet, send } from './support/load.ts';
import { Served } from './support/served.ts';

const settings = { http: '127.0.0.1:0', trace: { keep: 10 } };

/** Where the HTTP server of the primary is. */
async function site(served: Served): Promise<string> {
  await served.until(() => served.of('http listening').length > 0);
  return `http://${served.of('http listening').at(-1)?.address}`;
}

/** The value of a metric, over all its labels. */
async function total(base: string, metric: string): Promise<number> {
  const text = await (await fetch(`${base}/metrics`)).text();
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
  assert.ok(lines.length > 0, `${metric} is not there`);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

test('metrics are those of all workers, and do not fall when one of them is gone', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  const base = await site(served);
  // The fewest connections get the next one: two that stay are on two workers.
  using one = await greet(served.port());
  using other = await greet(served.port());
  for (const id of ['a', 'b', 'c']) await send(one, id);
  await send(other, 'd');
  assert.equal(await total(base, 'postern_transactions_total'), 4);
  assert.equal(await total(base, 'postern_open_connections'), 2);
  assert.equal(await total(base, 'postern_workers'), 2);
  const [victim = 0] = served.workers();
  process.kill(victim, 'SIGKILL');
  await served.until(() => served.of('worker replaced').length === 1);
  assert.equal(await total(base, 'postern_transactions_total'), 4);
  assert.equal(await total(base, 'postern_worker_restarts_total'), 1);
  assert.equal(await total(base, 'postern_workers'), 2);
  await served.reload();
  await served.until(() => !served.workers().includes(victim));
  assert.equal(await total(base, 'postern_transactions_total'), 4);
  writeFileSync(served.file, 'colour: red\n');
  await served.reload();
  const reloads = (result: string) => total(base, `postern_reloads_total{result="${result}"}`);
  assert.deepEqual([await reloads('success'), await reloads('failure')], [1, 1]);
});

test('stories and events come from whichever worker had the message', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  const base = await site(served);
  using one = await greet(served.port());
  using other = await greet(served.port());
  await send(one, 'a');
  await send(other, 'b');
  const { transactions } = (await (await fetch(`${base}/api/transactions`)).json()) as {
    transactions: readonly { readonly id: string; readonly time: string }[];
  };
  assert.equal(transactions.length, 2);
  for (const { id } of transactions) {
    assert.equal((await fetch(`${base}/api/transactions/${id}`)).status, 200);
  }
});

test('ready while a destination answers, and not while it does not', async () => {
  const downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  const base = await site(served);
  const ready = await fetch(`${base}/readyz`);
  assert.equal(ready.status, 200, await ready.text());
  await downstream[Symbol.asyncDispose]();
  await served.until(() => true);
  const reasons = await until503(`${base}/readyz`);
  assert.match(reasons, /listener in: no destination answers/);
  assert.equal((await fetch(`${base}/healthz`)).status, 200);
});

async function until503(url: string): Promise<string> {
  for (let i = 0; i < 100; i += 1) {
    const answer = await fetch(url);
    const text = await answer.text();
    if (answer.status === 503) return text;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it stays ready');
}

test('an address that HTTP cannot have is told, and mail passes all the same', async () => {
  await using downstream = await ScriptedDownstream.start();
  const taken = { http: `127.0.0.1:${downstream.port}` };
  await using served = await Served.start([{ destinations: [downstream.destination] }], taken);
  await served.until(() =>
    served.events.some(({ event }) => event.startsWith('no metrics, health and status')),
  );
  using client = await greet(served.port());
  await send(client, 'all the same');
});
