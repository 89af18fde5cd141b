// The configuration's totals, divided among workers: what one of them may have.
import type { ListenerConfiguration } from '../config/configuration.ts';
import type { SentConfiguration } from './messages.ts';

/**
 * One worker's configuration. Shares add up to the total, unless it is smaller than the number of workers:
 * each has at least 1, and room for one message. Connections are not divided: the primary counts them.
 *
 * @param number which worker: from 1 to `configuration.workers`
 */
export function shareOf<Whole extends SentConfiguration>(configuration: Whole, number: number): Whole {
  const { workers, listeners, spool, trace } = configuration;
  const part = (total: number) => share(total, workers, number);
  return {
    ...configuration,
    listeners: listeners.map((listener) => listenerShare(listener, part)),
    spool: { ...spool, limitBytes: Math.max(part(spool.limitBytes), spool.messageLimitBytes) },
    trace: { ...trace, keep: part(trace.keep) },
  };
}

function listenerShare(
  listener: ListenerConfiguration,
  part: (total: number) => number,
): ListenerConfiguration {
  const { pool } = listener;
  return { ...listener, pool: { ...pool, size: part(pool.size), waiting: part(pool.waiting) } };
}

/** Nothing stays nothing: it was switched off. */
function share(total: number, workers: number, number: number): number {
  if (total === 0) return 0;
  const rest = number <= total % workers ? 1 : 0;
  return Math.max(1, Math.floor(total / workers) + rest);
}
