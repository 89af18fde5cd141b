// Preloaded into a service: the system has no memory for one of its new processes, which Node.js tells of by throwing.
import childProcess from 'node:child_process';
import cluster from 'node:cluster';
import { syncBuiltinESMExports } from 'node:module';

type Way = 'fork' | 'execFile';

/**
 * What the service is to be started with.
 *
 * @param way by which it starts processes: its own, or other programs
 * @param which the first is 1
 */
export function noMemoryFor(way: Way, which: number): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import ${import.meta.url}`, NO_MEMORY_FOR: `${way} ${which}` };
}

const [way, which] = process.env.NO_MEMORY_FOR?.split(' ') ?? [];
if (cluster.isPrimary && way === 'fork') cluster.fork = failing(cluster.fork.bind(cluster));
if (cluster.isPrimary && way === 'execFile') {
  childProcess.execFile = failing(childProcess.execFile) as typeof childProcess.execFile;
  syncBuiltinESMExports();
}

function failing<Arguments extends readonly unknown[], Result>(
  start: (...values: Arguments) => Result,
): (...values: Arguments) => Result {
  let calls = 0;
  return (...values) => {
    calls += 1;
    if (calls === Number(which)) throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' });
    return start(...values);
  };
}
