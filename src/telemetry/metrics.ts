// The metrics of one process, in Prometheus' terms: counted while mail passes, gauges read when somebody asks.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { EventLoopLag } from './event-loop.ts';
import { KnownValues } from './known-values.ts';
import { type MetricsSnapshot, metricsText } from './metrics-total.ts';
import type { ReplyClass } from './reply-class.ts';
import { type ObservedStatus, StatusMetrics } from './status-metrics.ts';

/** What is measured of a transaction that ended; the fields of its line in the log. */
export interface MeasuredTransaction {
  readonly listener: string;
  readonly disposition: string;
  /** Method → values, joined by commas. */
  readonly results?: Readonly<Record<string, string>>;
  /** Of the message as it came. */
  readonly sizeBytes: number;
  readonly replyClass: ReplyClass;
  readonly milliseconds: Readonly<Partial<Record<Phase | 'total', number>>>;
  /** Header fields that were removed. */
  readonly removedFields?: number;
  /** The policy rule that decided. */
  readonly rule?: string;
  /** Whether an ARC set was added. */
  readonly sealed?: boolean;
}

/** What a transaction's time is spent on, one after another. */
export type Phase = 'envelope' | 'receive' | 'authenticate' | 'relay';

const phases: readonly Phase[] = ['envelope', 'receive', 'authenticate', 'relay'];

/** From what nobody notices to what a before-queue upstream does not wait for, and on to minutes. */
const latencyBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
];
/** A name server near by answers in a millisecond; the last one is where tries have run out. */
const dnsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
/** 1 KiB to 64 MiB, each four times the one before. */
const sizeBuckets = Array.from({ length: 9 }, (_, i) => 1024 * 4 ** i);

/** How many names of an administrator's own stand in labels; what comes later is `other`. */
const mostChecks = 100;
const mostRules = 1000;

const resultValues: ReadonlySet<string> = new Set(
  'none pass fail softfail neutral policy temperror permerror warn declined skipped'.split(' '),
);

/** One for each process. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #checks = new KnownValues(mostChecks);
  readonly #rules = new KnownValues(mostRules);
  readonly #status = new StatusMetrics(this.#registry);
  readonly #lag: EventLoopLag | undefined;

  readonly #connections = this.#counter('connections_total', 'Connections from upstream.', ['listener']);
  readonly #transactions = this.#counter(
    'transactions_total',
    'Transactions that ended, by what was done with the message and the class of the gravest reply.',
    ['listener', 'disposition', 'reply'],
  );
  readonly #results = this.#counter('results_total', 'Results of checks.', ['check', 'value']);
  readonly #total = this.#histogram(
    'transaction_seconds',
    'Time from MAIL to the final reply.',
    latencyBuckets,
    ['listener'],
  );
  readonly #phases = this.#histogram(
    'transaction_phase_seconds',
    'Time that a transaction spent in one of its phases.',
    latencyBuckets,
    ['listener', 'phase'],
  );
  readonly #sizes = this.#histogram('message_size_bytes', 'Sizes of messages as they came.', sizeBuckets, [
    'listener',
  ]);
  readonly #removed = this.#counter(
    'removed_fields_total',
    'Header fields that were removed from messages.',
    ['listener'],
  );
  readonly #ruleHits = this.#counter('policy_rule_hits_total', 'Messages that a policy rule decided on.', [
    'rule',
  ]);
  readonly #seals = this.#counter('seals_total', 'Messages that were sealed (ARC).', []);
  readonly #dnsTime = this.#histogram(
    'dns_network_seconds',
    'Time that questions to name servers took, failed ones too.',
    dnsBuckets,
    [],
  );
  readonly #workers = this.#gauge('workers', 'Processes that pass mail.');
  readonly #putOff = this.#counter(
    'connections_put_off_total',
    'Connections that were answered 421 because no worker could take them.',
    ['listener', 'reason'],
  );
  readonly #restarts = this.#counter('worker_restarts_total', 'Workers replaced because they died.', []);
  readonly #reloads = this.#counter('reloads_total', 'Times the configuration was read again.', ['result']);

  /**
   * @param options.version of Postern
   * @param options.process whether the process itself is measured as well: memory, processor, event loop
   */
  constructor({
    version,
    process: ofProcess = true,
  }: { readonly version: string; readonly process?: boolean }) {
    new Gauge({
      name: 'postern_build_info',
      help: 'Always 1; the labels say what is running.',
      labelNames: ['version', 'node'],
      registers: [this.#registry],
      aggregator: 'first',
    }).set({ version, node: process.versions.node }, 1);
    if (!ofProcess) return;
    this.#lag = new EventLoopLag(this.#registry);
    collectDefaultMetrics({ register: this.#registry });
    // We have our own, for which the worst process counts, and not the mean of all.
    for (const name of this.#registry.getMetricsAsArray().map((metric) => metric.name)) {
      if (name.startsWith('nodejs_eventloop_lag')) this.#registry.removeSingleMetric(name);
    }
  }

  /** Upstream connected. */
  connectionOpened(listener: string): void {
    this.#connections.inc({ listener });
  }

  /** A transaction ended. */
  transactionEnded(transaction: MeasuredTransaction): void {
    const { listener, disposition, replyClass, results = {}, sizeBytes, milliseconds } = transaction;
    const { removedFields, rule } = transaction;
    this.#transactions.inc({ listener, disposition, reply: replyClass });
    for (const [method, values] of Object.entries(results)) {
      const check = this.#checks.known(method);
      for (const value of values.split(',')) {
        this.#results.inc({ check, value: resultValues.has(value) ? value : 'other' });
      }
    }
    for (const phase of phases) {
      const time = milliseconds[phase];
      if (time !== undefined) this.#phases.observe({ listener, phase }, time / 1000);
    }
    if (milliseconds.total !== undefined) this.#total.observe({ listener }, milliseconds.total / 1000);
    if (sizeBytes > 0) this.#sizes.observe({ listener }, sizeBytes);
    if (removedFields) this.#removed.inc({ listener }, removedFields);
    if (rule !== undefined) this.#ruleHits.inc({ rule: this.#rules.known(rule) });
    if (transaction.sealed) this.#seals.inc();
  }

  /** A question to a name server was answered, or was not. */
  dnsAnswered(milliseconds: number): void {
    this.#dnsTime.observe(milliseconds / 1000);
  }

  /** So many processes pass mail now. */
  workers(count: number): void {
    this.#workers.set(count);
  }

  /** Upstream connected, and no worker could take it. */
  connectionPutOff(listener: string, reason: string): void {
    this.#putOff.inc({ listener, reason });
  }

  /** A worker died, and another one takes its place. */
  workerRestarted(): void {
    this.#restarts.inc();
  }

  /** The configuration was read again; `failure`: it had mistakes, and the old one stays. */
  reloaded(result: 'success' | 'failure'): void {
    this.#reloads.inc({ result });
  }

  /**
   * Open connections, pools, DNS and the spool are read from here whenever somebody asks for metrics.
   *
   * @returns what to call when it is over: what was counted since is taken over, gauges are not any more
   */
  observe(status: () => ObservedStatus): () => void {
    return this.#status.observe(status);
  }

  /** How late the event loop was within the last seconds, in milliseconds; zero where it is not measured. */
  get eventLoop(): { readonly p50: number; readonly p99: number } {
    return this.#lag?.milliseconds ?? { p50: 0, p99: 0 };
  }

  /** All of it as plain data, so that it can pass between processes. */
  async snapshot(): Promise<MetricsSnapshot> {
    this.#status.collect();
    this.#lag?.collect();
    return this.#registry.getMetricsAsJSON();
  }

  /** Prometheus' text format, of this process alone. */
  async text(): Promise<string> {
    return metricsText([await this.snapshot()]);
  }

  /** Ends what measures by itself. */
  close(): void {
    this.#lag?.close();
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name: `postern_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name: `postern_${name}`, help, registers: [this.#registry], aggregator: 'sum' });
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: Label[],
  ): Histogram<Label> {
    return new Histogram({
      name: `postern_${name}`,
      help,
      buckets,
      labelNames,
      registers: [this.#registry],
    });
  }
}
