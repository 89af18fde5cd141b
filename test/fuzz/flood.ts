// Thousands of connections: what each costs while it is idle, that others are served meanwhile, and that all of them end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as after } from 'node:timers/promises';
import { CountingDownstream } from '../hostile/counting-downstream.ts';
import { heldBytes } from '../support/garbage.ts';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';

/** Ordinary messages find room beside them. */
const room = 100;
/** The project's goal for an idle connection. The clients are another process: this is the proxy's end alone. */
const mostBytesEach = 25_000;
/** By so much resident memory goes up and down anyway. */
const unevenBytes = 20e6;
const servedWithinMs = 2000;

interface Counts {
  readonly greeted: number;
  readonly refused: number;
  /** Ended before they were greeted. */
  readonly lost: number;
  readonly closed: number;
}

/**
 * Rejects where a bound does not hold.
 *
 * @param many how many connections
 * @param idleMs how long each may trickle
 * @param say is told what was measured
 */
export async function flood(many: number, idleMs: number, say: (text: string) => void): Promise<void> {
  await using downstream = await CountingDownstream.start();
  await using proxy = await RunningProxy.start({
    listener: {
      destinations: [downstream.destination],
      limits: { connections: many + room, idle: `${idleMs}ms` },
    },
    settings: { log: { level: 'error' } },
  });
  const { address } = proxy;
  assert.ok('port' in address);
  const clients = spawn(
    process.execPath,
    [join(import.meta.dirname, 'flood-clients.ts'), String(address.port), String(many)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const lines = createInterface({ input: clients.stdout })[Symbol.asyncIterator]();
  const ask = async (command: string): Promise<Counts> => {
    clients.stdin.write(`${command}\n`);
    const { value, done } = await lines.next();
    assert.ok(!done, 'the clients have ended');
    return JSON.parse(String(value)) as Counts;
  };
  try {
    for (let i = 0; i < 50; i++) await ordinary(proxy);
    const quiet = await served(proxy, 100);
    say(`ordinary messages, alone: ${quiet.text}`);
    const before = memory();
    const begun = performance.now();
    const opened = await ask(`open ${many}`);
    assert.deepEqual([opened.greeted, opened.lost], [many, 0], JSON.stringify(opened));
    say(`${many} connections in ${seconds(begun)} s`);
    const now = memory();
    const held = (now.held - before.held) / many;
    const resident = (now.resident - before.resident) / many;
    say(`memory of each: ${Math.round(held)} bytes held, ${Math.round(resident)} resident`);
    assert.ok(held < mostBytesEach);
    assert.ok(resident < mostBytesEach + unevenBytes / many);
    const idle = await served(proxy, 100);
    say(`ordinary messages beside them: ${idle.text}`);
    assert.ok(idle.slowest < servedWithinMs);
    const above = await ask(`open ${room + 100}`);
    say(`${room + 100} more: ${above.refused} got 421`);
    assert.ok(above.refused >= 100 && above.lost === 0, JSON.stringify(above));
    // Those that were let in take the place of ordinary ones; they trickle now like all others.
    const trickling = performance.now();
    await ask('say N');
    while (proxy.open > 0 && performance.now() - trickling < 3 * idleMs) await after(100);
    const { closed } = await ask('count');
    say(`all said one byte of a command and no more: ${closed} were sent away after ${seconds(trickling)} s`);
    assert.equal(proxy.open, 0);
    const late = await served(proxy, 100);
    say(`ordinary messages afterwards: ${late.text}`);
    assert.ok(late.slowest < servedWithinMs);
  } finally {
    clients.stdin.write('quit\n');
    await once(clients, 'exit');
  }
}

/** Bytes. What is held leaves out what the allocator keeps for later. */
function memory(): { readonly held: number; readonly resident: number } {
  return { held: heldBytes(), resident: process.memoryUsage.rss() };
}

async function served(proxy: RunningProxy, messages: number): Promise<{ text: string; slowest: number }> {
  const times: number[] = [];
  for (let i = 0; i < messages; i++) times.push(await ordinary(proxy));
  times.sort((a, b) => a - b);
  const slowest = times.at(-1) ?? 0;
  const middle = times[messages >> 1] ?? 0;
  return { text: `median ${middle.toFixed(1)} ms, slowest ${slowest.toFixed(1)} ms`, slowest };
}

async function ordinary(proxy: RunningProxy): Promise<number> {
  const begun = performance.now();
  using client = await RawClient.connect(proxy.address);
  await client.reply();
  for (const command of ['EHLO x', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>', 'DATA'])
    await client.ask(command);
  client.send('Subject: x\r\n\r\nHello.\r\n.\r\n');
  assert.match((await client.reply()).join(), /^250 /);
  return performance.now() - begun;
}

function seconds(begun: number): string {
  return ((performance.now() - begun) / 1000).toFixed(1);
}
