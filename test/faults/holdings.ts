// What the processes of a service hold on to when nothing is asked of them: the same before and after a fault.
import { readdirSync } from 'node:fs';
import type { StatusAnswer } from '../../src/http/answers.ts';
import type { Served } from '../supervisor/support/served.ts';

/** How long what is closed may take to be gone, on a busy machine. */
const settleMs = 15_000;

/** Open descriptors by what a process is for; of several, the most. */
export type Holdings = Readonly<Record<'primary' | 'worker' | 'http', number>>;

/** @returns what a service holds that has just been started */
export async function holdings(served: Served): Promise<Holdings> {
  const { workers } = await statusOf(served);
  return descriptorsOf(
    served,
    workers.map(({ pid }) => pid),
  );
}

/**
 * Waits until there is no more than before.
 *
 * @returns what is left, where that does not come to pass
 */
export async function stillHeld(served: Served, before: Holdings): Promise<readonly string[]> {
  const deadline = performance.now() + settleMs;
  for (;;) {
    const left = await look(served, before).catch((error: unknown) => [`its status: ${error}`]);
    if (left.length === 0 || performance.now() > deadline) return left;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function look(served: Served, before: Holdings): Promise<readonly string[]> {
  const { totals, workers } = await statusOf(served);
  const { connections, pool, spool } = totals;
  const counts = {
    connections,
    'busy connections downstream': pool.busy,
    'idle connections downstream': pool.idle,
    'messages that wait': pool.waiting,
    'messages in the spool': spool.messages,
    'bytes in the spool': spool.memoryBytes + spool.diskBytes,
  };
  const now = descriptorsOf(
    served,
    workers.map(({ pid }) => pid),
  );
  return [
    ...Object.entries(counts).flatMap(([what, count]) => (count > 0 ? [`${count} ${what}`] : [])),
    ...(['primary', 'worker', 'http'] as const).flatMap((which) =>
      now[which] > before[which] ? [`${now[which]} descriptors of ${which}, before ${before[which]}`] : [],
    ),
  ];
}

async function statusOf(served: Served): Promise<StatusAnswer> {
  await served.until(() => served.of('http listening').length > 0);
  const address = served.of('http listening').at(-1)?.address;
  const answer = await fetch(`http://${address}/api/status`, { headers: { connection: 'close' } });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as StatusAnswer;
}

function descriptorsOf(served: Served, workers: readonly number[]): Holdings {
  const most = (pids: readonly number[]) =>
    Math.max(0, ...pids.map((pid) => readdirSync(`/proc/${pid}/fd`).length));
  return {
    primary: served.descriptors(),
    worker: most(workers),
    http: most(served.workers().filter((pid) => !workers.includes(pid))),
  };
}
