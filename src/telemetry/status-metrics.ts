// The metrics that are read from the running proxy's status when somebody asks, so that nobody counts twice.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { WorkerStatus } from './status.ts';

/** What is read. */
export interface ObservedStatus extends Pick<WorkerStatus, 'listeners' | 'dns' | 'spool'> {
  /** What the spool may take, in memory and on disk. */
  readonly spoolLimitBytes: number;
}

/** One whose status is read, and what it had counted when it was read last. */
interface Source {
  readonly read: () => ObservedStatus;
  readonly counted: Map<string, number>;
}

const dnsOutcomes = ['zone', 'cached', 'joined', 'network', 'failed'] as const;

/** Gauges and counters from any number of sources: while one proxy takes over from another there are two. */
export class StatusMetrics {
  readonly #sources = new Set<Source>();
  readonly #open: Gauge<'listener'>;
  readonly #pool: Gauge<'listener' | 'state'>;
  readonly #poolSize: Gauge<'listener'>;
  readonly #poolWaiting: Gauge<'listener'>;
  readonly #reachable: Gauge<'listener'>;
  readonly #failures: Counter<'listener'>;
  readonly #questions: Counter<'outcome'>;
  readonly #dnsEntries: Gauge;
  readonly #spoolBytes: Gauge<'where'>;
  readonly #spoolMessages: Gauge;
  readonly #spoolLimit: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    const gauge = <Label extends string>(
      name: string,
      help: string,
      labelNames: Label[],
      aggregator: 'sum' | 'min' = 'sum',
    ) => new Gauge({ name: `postern_${name}`, help, labelNames, registers, aggregator });
    this.#open = gauge('open_connections', 'Open connections from upstream.', ['listener']);
    this.#pool = gauge('pool_connections', 'Open connections downstream.', ['listener', 'state']);
    this.#poolSize = gauge('pool_size', 'Connections that the pool may have.', ['listener']);
    this.#poolWaiting = gauge('pool_waiting', 'Transactions that wait for a connection.', ['listener']);
    this.#reachable = gauge(
      'downstream_reachable',
      '1 while a destination answered when it was last tried, by every process; else 0.',
      ['listener'],
      'min',
    );
    this.#failures = new Counter({
      name: 'postern_pool_failures_total',
      help: 'Connections downstream that could not be had.',
      labelNames: ['listener'],
      registers,
    });
    this.#questions = new Counter({
      name: 'postern_dns_questions_total',
      help: 'Questions for names, by who answered them; failed are those to which a name server did not.',
      labelNames: ['outcome'],
      registers,
    });
    this.#dnsEntries = gauge('dns_cache_entries', 'Answers in the cache.', []);
    this.#spoolBytes = gauge('spool_bytes', 'Bytes of messages that are being handled.', ['where']);
    this.#spoolLimit = gauge('spool_limit_bytes', 'What messages may take, in memory and on disk.', []);
    this.#spoolMessages = gauge('spool_messages', 'Messages that are being handled.', []);
  }

  /** @returns what to call when the source is over */
  observe(read: () => ObservedStatus): () => void {
    const source: Source = { read, counted: new Map() };
    this.#sources.add(source);
    return () => {
      if (!this.#sources.delete(source)) return;
      this.#count(source, read());
    };
  }

  /** Reads all sources. */
  collect(): void {
    for (const each of [this.#open, this.#pool, this.#poolSize, this.#poolWaiting, this.#reachable])
      each.reset();
    let [entries, memoryBytes, diskBytes, messages, limitBytes] = [0, 0, 0, 0, 0];
    for (const source of this.#sources) {
      const status = source.read();
      this.#count(source, status);
      for (const { name: listener, connections, pool, reachable } of status.listeners) {
        this.#open.inc({ listener }, connections);
        this.#pool.inc({ listener, state: 'idle' }, pool.idle);
        this.#pool.inc({ listener, state: 'busy' }, pool.busy);
        this.#poolWaiting.inc({ listener }, pool.waiting);
        // Of one listener under two configurations, the later one counts.
        this.#poolSize.set({ listener }, pool.size);
        this.#reachable.set({ listener }, reachable ? 1 : 0);
      }
      entries += status.dns.entries;
      memoryBytes += status.spool.memoryBytes;
      diskBytes += status.spool.diskBytes;
      messages += status.spool.messages;
      limitBytes += status.spoolLimitBytes;
    }
    this.#dnsEntries.set(entries);
    this.#spoolBytes.set({ where: 'memory' }, memoryBytes);
    this.#spoolBytes.set({ where: 'disk' }, diskBytes);
    this.#spoolMessages.set(messages);
    this.#spoolLimit.set(limitBytes);
  }

  /** What the source has counted since it was read last. */
  #count({ counted }: Source, { listeners, dns }: ObservedStatus): void {
    const since = (key: string, now: number): number => {
      const more = Math.max(0, now - (counted.get(key) ?? 0));
      counted.set(key, now);
      return more;
    };
    for (const { name: listener, pool } of listeners) {
      this.#failures.inc({ listener }, since(`failures ${listener}`, pool.failures));
    }
    for (const outcome of dnsOutcomes) {
      // A failed question went to the network too, and is counted once.
      const count = outcome === 'network' ? dns.network - dns.failed : dns[outcome];
      this.#questions.inc({ outcome }, since(`dns ${outcome}`, count));
    }
  }
}
