// Postern as the soak runs it: `serve` with several listeners, its log read, reloaded, its workers killed.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { stringify } from 'yaml';
import type { StatusAnswer } from '../../src/http/answers.ts';
import { inHand } from '../../test/faults/holdings.ts';
import { isMistake } from '../../test/faults/mistakes.ts';
import { endWithUs } from '../program.ts';

export type ListenerName = 'after' | 'before' | 'lmtp';

export interface ServicePlan {
  readonly directory: string;
  readonly smtpPort: number;
  readonly lmtpPort: number;
  /** Of the name server, as `ip:port`. */
  readonly names: string;
}

const program = new URL('../../src/cli.ts', import.meta.url).pathname;
const patienceMs = 60_000;
const workers = 2;
const linesKept = 20;

export class Service implements AsyncDisposable {
  readonly #plan: ServicePlan;
  readonly #process: ChildProcessByStdio<null, Readable, Readable>;
  readonly #addresses = new Map<string, string>();
  readonly #events = new Map<string, number>();
  readonly #mistakes: string[] = [];
  readonly #heard = Promise.withResolvers<void>();

  private constructor(plan: ServicePlan) {
    this.#plan = plan;
    mkdirSync(this.#spool);
    this.#write();
    this.#process = spawn(process.execPath, [program, 'serve', '--config', this.#file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    endWithUs(this.#process);
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#hear(line));
    createInterface({ input: this.#process.stderr }).on('line', (line) => this.#keep(line));
    this.#process.on('exit', () =>
      this.#heard.reject(new Error(`Postern ended: ${this.#mistakes.join(' ')}`)),
    );
    this.#heard.promise.catch(() => undefined);
  }

  static async start(plan: ServicePlan): Promise<Service> {
    const service = new Service(plan);
    const timer = setTimeout(() => service.#process.kill('SIGKILL'), patienceMs);
    await service.#heard.promise;
    clearTimeout(timer);
    return service;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  address(listener: ListenerName): string {
    return this.#addresses.get(listener) ?? '';
  }

  /** How often the log named an event that is not for information only. */
  get events(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#events);
  }

  /** Lines of the log that nobody wants to see, and what was written to standard error. */
  get mistakes(): readonly string[] {
    return this.#mistakes;
  }

  async status(): Promise<StatusAnswer> {
    const answer = await fetch(`http://${this.#addresses.get('http')}/api/status`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(patienceMs),
    });
    if (!answer.ok) throw new Error(`status: ${answer.status}`);
    return (await answer.json()) as StatusAnswer;
  }

  /** Kills the youngest worker, so that the others tell of a long life. */
  async killWorker(): Promise<void> {
    const { workers: all } = await this.status();
    const [youngest] = all.toSorted((a, b) => b.startedAt.localeCompare(a.startedAt));
    try {
      if (youngest) process.kill(youngest.pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile, as after a reload.
    }
  }

  /** SIGHUP. @param mistaken the file has a mistake, so that all stays as it is */
  reload(mistaken: boolean): void {
    this.#write(mistaken ? { workers: 'many' } : {});
    this.#process.kill('SIGHUP');
  }

  /** What it still has in hand. */
  async held(): Promise<readonly string[]> {
    return [...inHand(await this.status()), ...readdirSync(this.#spool)];
  }

  /** SIGTERM. @returns its exit status, or the signal that was needed */
  async stop(): Promise<number | NodeJS.Signals | null> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), patienceMs);
      await ended;
      clearTimeout(timer);
    }
    return this.#process.exitCode ?? this.#process.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get #spool(): string {
    return join(this.#plan.directory, 'spool');
  }

  get #file(): string {
    return join(this.#plan.directory, 'postern.yaml');
  }

  #write(more: Readonly<Record<string, unknown>> = {}): void {
    const { smtpPort, lmtpPort, names } = this.#plan;
    const listener = (name: ListenerName, mode: string, destination: string) => ({
      name,
      listen: '127.0.0.1:0',
      mode,
      destinations: [destination],
      pool: { size: 20, backoff: '200ms', backoffMax: '1s' },
    });
    const configuration = {
      hostname: 'mx.example.org',
      listeners: [
        listener('after', 'after-queue', `smtp://127.0.0.1:${smtpPort}`),
        listener('before', 'before-queue', `smtp://127.0.0.1:${smtpPort}`),
        listener('lmtp', 'after-queue', `lmtp://127.0.0.1:${lmtpPort}`),
      ],
      // Answers are kept for seconds only, so that the name server matters.
      dns: {
        servers: [names],
        timeout: '500ms',
        tries: 2,
        transaction: '3s',
        cache: { maxAge: '5s', failureAge: '1s' },
      },
      spool: { directory: this.#spool },
      http: '127.0.0.1:0',
      workers,
      ...more,
    };
    writeFileSync(this.#file, stringify(configuration));
  }

  #hear(line: string): void {
    if (line.startsWith('postern: listening on ')) this.#heard.resolve();
    // Nearly all lines are those of transactions, and are not needed.
    if (line.includes('"event":"transaction"')) return;
    const { event, level, listener, address } = parse(line);
    if (event === 'listening' && listener !== undefined && address !== undefined)
      this.#addresses.set(listener, address);
    if (event === 'http listening' && address !== undefined) this.#addresses.set('http', address);
    if (event !== undefined && (level === 'warn' || level === 'error'))
      this.#events.set(event, (this.#events.get(event) ?? 0) + 1);
    if (event !== undefined && isMistake(event)) this.#keep(line);
  }

  #keep(line: string): void {
    if (this.#mistakes.length < linesKept) this.#mistakes.push(line);
  }
}

interface Line {
  readonly event?: string;
  readonly level?: string;
  readonly listener?: string;
  readonly address?: string;
}

function parse(line: string): Line {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return {};
  }
}
