// What the processes of a service hold on to when nothing is asked of them: the same before and after a fault.
import { readdirSync } from 'node:fs';
import type { StatusAnswer } from '../../src/http/answers.ts';
import type { WorkerStatus } from '../../src/telemetry/status.ts';
import type { Served } from '../supervisor/support/served.ts';
import { whatStays } from './resources.ts';

/** How long what is closed may take to be gone, on a busy machine. */
const settleMs = 15_000;
/** Until the connection over which the status came is closed too. */
const closedMs = 200;

/** Open descriptors by what a process is for; of several, the most. */
export type Holdings = Readonly<Record<'primary' | 'worker' | 'http', number>>;

/** @returns what a service holds that has just been started */
export async function holdings(served: Served): Promise<Holdings> {
  return descriptorsOf(served, await statusOf(served));
}

/**
 * Waits until there is no more than before.
 *
 * @returns what is left, where that does not come to pass
 */
export async function stillHeld(served: Served, before: Holdings): Promise<readonly string[]> {
  return whatStays(() => look(served, before).catch((error: unknown) => [`its status: ${error}`]), settleMs);
}

/** What a service has in hand, by its own account. */
export function inHand({ totals: { connections, pool, spool } }: StatusAnswer): readonly string[] {
  const counts = {
    connections,
    'busy connections downstream': pool.busy,
    'messages that wait': pool.waiting,
    'messages in the spool': spool.messages,
    'bytes in the spool': spool.memoryBytes + spool.diskBytes,
  };
  return Object.entries(counts).flatMap(([what, count]) => (count > 0 ? [`${count} ${what}`] : []));
}

async function look(served: Served, before: Holdings): Promise<readonly string[]> {
  const status = await statusOf(served);
  const now = descriptorsOf(served, status);
  return [
    ...inHand(status),
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
  const status = (await answer.json()) as StatusAnswer;
  await new Promise((resolve) => setTimeout(resolve, closedMs));
  return status;
}

function descriptorsOf(served: Served, { workers }: StatusAnswer): Holdings {
  const pids = workers.map(({ pid }) => pid);
  const others = served.workers().filter((pid) => !pids.includes(pid));
  return {
    primary: served.descriptors(),
    // Whoever asks whether mail can pass has a connection opened that is kept for a while.
    worker: Math.max(0, ...workers.map((worker) => descriptors(worker.pid) - idle(worker))),
    http: Math.max(0, ...others.map(descriptors)),
  };
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Connections downstream that wait in the pools. */
export function idle({ listeners }: Pick<WorkerStatus, 'listeners'>): number {
  return listeners.reduce((sum, { pool }) => sum + pool.idle, 0);
}
