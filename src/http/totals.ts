// The sums over all processes.
import type { WorkerStatus } from '../telemetry/status.ts';
import type { Totals } from './answers.ts';

/** @returns all processes together */
export function totalsOf(workers: readonly WorkerStatus[]): Totals {
  const listeners = workers.flatMap((worker) => worker.listeners);
  const pools = listeners.map(({ pool }) => pool);
  const caches = workers.map(({ dns }) => dns);
  const spools = workers.map(({ spool }) => spool);
  return {
    connections: sum(listeners.map(({ connections }) => connections)),
    pool: {
      size: sum(pools.map(({ size }) => size)),
      idle: sum(pools.map(({ idle }) => idle)),
      busy: sum(pools.map(({ busy }) => busy)),
      waiting: sum(pools.map(({ waiting }) => waiting)),
      failures: sum(pools.map(({ failures }) => failures)),
    },
    dns: {
      zone: sum(caches.map(({ zone }) => zone)),
      cached: sum(caches.map(({ cached }) => cached)),
      joined: sum(caches.map(({ joined }) => joined)),
      network: sum(caches.map(({ network }) => network)),
      failed: sum(caches.map(({ failed }) => failed)),
      entries: sum(caches.map(({ entries }) => entries)),
    },
    spool: {
      memoryBytes: sum(spools.map(({ memoryBytes }) => memoryBytes)),
      diskBytes: sum(spools.map(({ diskBytes }) => diskBytes)),
      messages: sum(spools.map(({ messages }) => messages)),
    },
    residentBytes: sum(workers.map(({ residentBytes }) => residentBytes)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
