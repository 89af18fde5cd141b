// Everything that a benchmark needs, running: messages, sink, load generator, yardsticks; and one measurement with it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agrees, compareLedgers, readLedger } from '../ledger.ts';
import type { RunResult } from '../load/run.ts';
import { Child } from './child.ts';
import { Material, type Size, xforward } from './material.ts';
import type { Mode } from './postern.ts';
import { cpuMs, residentBytes } from './processes.ts';

/** Something that mail can be sent through, and what it has used so far; the sink itself uses nothing that counts. */
export interface Way {
  readonly address: (mode: Mode) => string;
  /** The results that are added to each message. */
  readonly results: readonly string[];
  readonly usage: () => { readonly cpuMs: number; readonly residentBytes: number };
}

/** How long is measured. */
export interface Times {
  /** No message is begun after this time. */
  readonly seconds: number;
  /**
   * The same for so long before, which does not count: whoever had nothing to do while others were measured finds
   * its caches cold, and its memory given back to the kernel. Default: none.
   */
  readonly leadInSeconds?: number;
}

/** What is sent. */
export interface Traffic extends Partial<Times> {
  readonly size: Size;
  readonly connections: number;
  readonly mode: Mode;
  /** Whether commands go in one write where they may; default: not before the queue. */
  readonly pipelining?: boolean;
  /** Messages altogether. */
  readonly count?: number;
}

/** One measurement. */
export interface Measured {
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  readonly messages: number;
  readonly refused: number;
  readonly latencyMs: RunResult['latencyMs'];
  readonly cpuMsPerMessage: number;
  readonly residentBytes: number;
}

/** What a call of mailauth's authenticate() costs. */
export interface Bare {
  readonly calls: number;
  readonly wallMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly cpuMs: number;
}

/** What Postern is measured against, besides the bare call. */
export interface Yardsticks {
  /** The load generator into the sink. */
  readonly straight: Way;
  /** Through the relay of the fewest lines. */
  readonly relay: Way;
  /** Through the proxy of the fewest lines, which takes connections that stay, not those before the queue. */
  readonly proxy: Way;
}

export interface SinkTotals {
  readonly messages: number;
  /** What was added to the last one. */
  readonly above: string;
  /** Messages that were not given all the results that they should have. */
  readonly lacking: number;
}

export class Site implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  readonly material = new Material(this.directory);
  readonly #children = new AsyncDisposableStack();
  readonly sink = this.#children.use(new Child('sink.ts', JSON.stringify({ protocol: 'either' })));
  readonly load = this.#children.use(new Child('load.ts'));
  readonly #bare = this.#children.use(new Child('yardsticks/bare-authenticate.ts', this.material.zoneFile));
  #sinkPort = 0;
  #slices = 0;
  #yardsticks: Yardsticks | undefined;

  static async start(): Promise<Site> {
    const site = new Site();
    try {
      await site.#start();
      return site;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { listening } = await this.sink.hear<{ listening: number }>();
    this.#sinkPort = listening;
    await this.#bare.hear();
    this.#yardsticks = {
      straight: {
        address: () => `127.0.0.1:${listening}`,
        results: [],
        usage: () => ({ cpuMs: 0, residentBytes: 0 }),
      },
      relay: await this.#through('yardsticks/fewest-lines-relay.ts'),
      proxy: await this.#through('yardsticks/fewest-lines-proxy.ts'),
    };
  }

  /** A program that listens, and passes everything to the sink. */
  async #through(program: string): Promise<Way> {
    const child = this.#children.use(new Child(program, String(this.#sinkPort)));
    const { listening } = await child.hear<{ listening: number }>();
    return {
      address: () => `127.0.0.1:${listening}`,
      results: [],
      usage: () => ({ cpuMs: cpuMs(child.pid), residentBytes: residentBytes(child.pid) }),
    };
  }

  get sinkPort(): number {
    return this.#sinkPort;
  }

  get yardsticks(): Yardsticks {
    if (!this.#yardsticks) throw new Error('not started');
    return this.#yardsticks;
  }

  async bare(size: Size, { seconds, leadInSeconds = 0 }: Times): Promise<Bare> {
    const file = await this.material.message(size);
    if (leadInSeconds > 0) await this.#bare.ask({ file, seconds: leadInSeconds });
    return this.#bare.ask({ file, seconds });
  }

  /** What the load generator is told for this traffic, besides how long. */
  async plan(
    way: Way,
    {
      size,
      connections,
      mode,
      pipelining = mode !== 'before',
    }: Pick<Traffic, 'size' | 'connections' | 'mode' | 'pipelining'>,
  ) {
    return {
      to: way.address(mode),
      protocol: mode === 'lmtp' ? 'lmtp' : 'smtp',
      messages: [await this.material.message(size)],
      connections,
      // smtpd(8) before the queue: a connection and a conversation for each message.
      messagesPerConnection: mode === 'before' ? 1 : null,
      pipelining,
      xforward,
      refusals: 'errors',
      patience: 300,
      waitForGo: true,
    };
  }

  /**
   * Sends and measures.
   *
   * @throws {Error} when a reply was missing or another than it should be, or the ledgers differ, or a message was not given its results: then its speed says nothing
   */
  async measure(way: Way, { leadInSeconds = 0, ...traffic }: Traffic): Promise<Measured> {
    if (leadInSeconds > 0) await this.measure(way, { ...traffic, seconds: leadInSeconds });
    const name = `s${++this.#slices}`;
    const sent = join(this.directory, `${name}.sent`);
    const stored = join(this.directory, `${name}.stored`);
    await this.sink.ask(`ledger ${stored}`);
    await this.sink.ask({ above: way.results });
    await this.sink.ask('reset');
    const { count = null, seconds = null } = traffic;
    this.load.tell({ ...(await this.plan(way, traffic)), idPrefix: name, ledger: sent, count, seconds });
    await this.load.hear();
    const before = way.usage();
    const result = await this.load.ask<RunResult>('go');
    const after = way.usage();
    const { lacking, above } = await this.sink.ask<SinkTotals>('totals');
    await this.#compare(sent, stored, result);
    if (lacking > 0)
      throw new Error(`${lacking} messages lack some of ${way.results}; the last has: ${above}`);
    const messages = result.accepted + result.refused;
    return {
      perSecond: result.perSecond,
      bytesPerSecond: result.bytes / result.seconds,
      messages,
      refused: result.refused,
      latencyMs: result.latencyMs,
      cpuMsPerMessage: (after.cpuMs - before.cpuMs) / messages,
      residentBytes: after.residentBytes,
    };
  }

  async #compare(sent: string, stored: string, result: RunResult): Promise<void> {
    const comparison = await compareLedgers(readLedger(sent), readLedger(stored));
    const { refused, unanswered, connectionsFailed, accepted, errors } = result;
    if (!agrees(comparison) || refused + unanswered + connectionsFailed > 0 || accepted === 0) {
      const seen = JSON.stringify({ errors, refused, unanswered, connectionsFailed, ...comparison });
      throw new Error(`not every message arrived whole and once: ${seen.slice(0, 2000)}`);
    }
    rmSync(sent);
    rmSync(stored);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#children.disposeAsync();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
