// The traffic: several load generators, each with its own way of speaking and its own mixture of sizes.
import { join } from 'node:path';
import type { Summary } from '../load/figures.ts';
import type { LoadPlan } from '../load/plan.ts';
import type { RunResult } from '../load/run.ts';
import { Child } from '../site/child.ts';
import { type Material, type Size, xforward } from '../site/material.ts';
import type { ListenerName } from './service.ts';

export interface StreamPlan {
  readonly name: string;
  /** `beside`: straight to a sink of its own, to know how busy the machine is. */
  readonly to: ListenerName | 'beside';
  readonly protocol: 'smtp' | 'lmtp';
  readonly connections: number;
  readonly messagesPerConnection: number;
  readonly pipelining: boolean;
  readonly sizes: readonly Size[];
  readonly recipients: number;
}

/** Connections end after a while, as those of Postfix do: what a killed worker had is shared out again by and by. */
const common = { protocol: 'smtp', messagesPerConnection: 200, pipelining: true, recipients: 1 } as const;

export const streams: readonly StreamPlan[] = [
  { ...common, name: 'after', to: 'after', connections: 12, sizes: ['10KB', '1KB', '10KB', '100KB', '10KB'] },
  {
    ...common,
    name: 'before',
    to: 'before',
    connections: 6,
    messagesPerConnection: 1,
    pipelining: false,
    sizes: ['10KB', '1KB', '100KB', '10KB'],
  },
  {
    ...common,
    name: 'large',
    to: 'after',
    connections: 2,
    pipelining: false,
    sizes: ['1MB', '100KB', '5MB', '100KB'],
  },
  {
    ...common,
    name: 'lmtp',
    to: 'lmtp',
    protocol: 'lmtp',
    connections: 6,
    sizes: ['10KB', '100KB'],
    recipients: 3,
  },
  {
    ...common,
    name: 'lmtp1',
    to: 'lmtp',
    protocol: 'lmtp',
    connections: 2,
    messagesPerConnection: 1,
    pipelining: false,
    sizes: ['1KB', '10KB'],
  },
];

export const beside: StreamPlan = {
  ...common,
  name: 'beside',
  to: 'beside',
  connections: 1,
  sizes: ['10KB'],
};

export interface Pace {
  readonly seconds: number;
  /** Messages per second; null: as many as there can be. */
  readonly rate: number | null;
  /** Between two of the reports that {@link Stream.take} gives. */
  readonly everySeconds: number;
}

/** A load generator and what it has said. */
export class Stream implements AsyncDisposable {
  readonly plan: StreamPlan;
  readonly #child = new Child('load.ts');
  readonly #directory: string;
  readonly #ledgers: string[] = [];
  #reports: Summary[] = [];

  constructor(plan: StreamPlan, directory: string) {
    this.plan = plan;
    this.#directory = directory;
  }

  /** Files with what was sent. */
  get ledgers(): readonly string[] {
    return this.#ledgers;
  }

  /** Sends, until the time is over and all is answered. */
  async run(material: Material, to: string, { seconds, rate, everySeconds }: Pace): Promise<RunResult> {
    const { name, protocol, connections, messagesPerConnection, pipelining, sizes, recipients } = this.plan;
    const idPrefix = `${name}${this.#ledgers.length}`;
    const ledger = join(this.#directory, `${idPrefix}.sent`);
    this.#ledgers.push(ledger);
    const plan: Partial<LoadPlan> = {
      to,
      protocol,
      connections,
      messagesPerConnection,
      pipelining,
      messages: await Promise.all(sizes.map((size) => material.message(size))),
      rcptTo: Array.from({ length: recipients }, (_, i) => `<bob${i + 1}@example.net>`),
      xforward: this.plan.to === 'beside' ? null : xforward,
      seconds,
      rate,
      ledger,
      idPrefix,
      interval: everySeconds,
      onFailure: 'reconnect',
    };
    this.#child.tell(plan);
    for (;;) {
      const line = await this.#child.hear<
        ({ event: 'interval' } & Summary) | ({ event: 'result' } & RunResult)
      >();
      if (line.event === 'result') return line;
      this.#reports.push(line);
    }
  }

  /** @param rate messages per second, from now on */
  pace(rate: number): void {
    this.#child.tell(`rate ${rate}`);
  }

  /** What was reported since it was asked last. */
  take(): readonly Summary[] {
    const reports = this.#reports;
    this.#reports = [];
    return reports;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
