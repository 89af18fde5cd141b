// Starts a process of ours beside the primary: as who it shall be from its first moment, with no other groups.
import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Account } from '../config/accounts.ts';
import { workerOptions } from './heap.ts';

// A socket that one of them listens on is bound here, and connections are accepted there: the other way of
// node:cluster, by which they pass through here, loses those that are on their way to a process that ends.
cluster.schedulingPolicy = cluster.SCHED_NONE;

/** What such a process does: the file beside this one that it begins with. */
export type Entry = 'worker' | 'http-worker';

/**
 * Node.js throws some of what the system says of a new process (ENOMEM), and tells the rest by an event (EAGAIN).
 *
 * @param account who it runs as; default: who we are
 * @throws {Error} with `code`: the system has no room for another process
 */
export function forkAs(entry: Entry, account: Account | undefined): Worker {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  cluster.setupPrimary({
    exec: fileURLToPath(new URL(`./${entry}.${extension}`, import.meta.url)),
    args: [],
    // Also before it can say so itself, no signal opens its debugger.
    execArgv: [...process.execArgv, '--disable-sigusr1', ...(entry === 'worker' ? workerOptions : [])],
    serialization: 'advanced',
    // What is left out here would stay as it was for the process before.
    ...identity(account),
  });
  const worker = cluster.fork();
  keepFromWaiting();
  return worker;
}

/**
 * A process that is started makes the outputs that it shares with us wait for their readers (libuv), and when it ends it
 * leaves them as it found them (Node.js): both would stop mail as soon as nobody reads the log. Nothing but the handle
 * itself can say that they shall not. Terminals are meant to be waited for.
 */
function keepFromWaiting(): void {
  for (const stream of [process.stdout, process.stderr]) {
    const { _handle: handle } = stream as { _handle?: { setBlocking?(on: boolean): number } };
    if (!stream.isTTY) handle?.setBlocking?.(false);
  }
}

/** Only root has any to give, and its other groups are dropped by it; to others the system may forbid even to ask. */
function identity(account: Account | undefined): { uid: number | undefined; gid: number | undefined } {
  if (process.getuid?.() !== 0) return { uid: undefined, gid: undefined };
  return { uid: account?.uid ?? 0, gid: account?.gid ?? process.getgid?.() };
}
