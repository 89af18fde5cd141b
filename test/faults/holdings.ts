// What the processes of a service hold on to when nothing is asked of them: the same before and after a fault.
import { readdirSync, readFileSync } from 'node:fs';
import type { StatusAnswer } from '../../src/http/answers.ts';
import type { WorkerStatus } from '../../src/telemetry/status.ts';
import type { Served } from '../supervisor/support/served.ts';
import { whatStays } from './resources.ts';

/** How long what is closed may take to be gone, on a busy machine. */
const settleMs = 15_000;
/** Until the connection over which the status came is closed too. */
const closedMs = 200;

/**
 * What a worker may have more when it has been busy: 6 to 24 MB were measured, garbage that nobody has collected yet
 * among them.
 */
const busyBytes = 48 * 1024 * 1024;

type Role = 'primary' | 'worker' | 'http';

/** Open descriptors by what a process is for, and the memory of a worker; of several, the most. */
export interface Holdings extends Readonly<Record<Role, number>> {
  readonly workerBytes: number;
}

/** @returns what a service holds that has just been started */
export async function holdings(served: Served): Promise<Holdings> {
  return holdingsOf(served, await statusOf(served));
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
  const now = holdingsOf(served, status);
  const mostBytes = before.workerBytes + busyBytes;
  return [
    ...inHand(status),
    ...(now.workerBytes > mostBytes
      ? [`${now.workerBytes} bytes of a worker, before ${before.workerBytes}`]
      : []),
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

function holdingsOf(served: Served, { workers }: StatusAnswer): Holdings {
  const pids = workers.map(({ pid }) => pid);
  const others = served.workers().filter((pid) => !pids.includes(pid));
  return {
    primary: served.descriptors(),
    // Whoever asks whether mail can pass has a connection opened that is kept for a while.
    worker: Math.max(0, ...workers.map((worker) => descriptors(worker.pid) - idle(worker))),
    http: Math.max(0, ...others.map(descriptors)),
    workerBytes: Math.max(0, ...pids.map(ownBytes)),
  };
}

/** What is resident and no file's: code is left out, of which there is more after it has run. */
function ownBytes(pid: number): number {
  const [, kilobytes = ''] = /^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return 1024 * Number(kilobytes);
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Connections downstream that wait in the pools. */
export function idle({ listeners }: Pick<WorkerStatus, 'listeners'>): number {
  return listeners.reduce((sum, { pool }) => sum + pool.idle, 0);
}
