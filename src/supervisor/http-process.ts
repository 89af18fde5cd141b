// The process that serves HTTP as the primary sees it: what it is told, what it asks, and how it ends.
import type { Worker } from 'node:cluster';
import type { Observatory } from '../telemetry/status.ts';
import type { FromHttp, ToHttp, TotalAnswers, TotalQuestion } from './http-messages.ts';
import type { Exit } from './worker-process.ts';

/** What it needs. */
export interface HttpProcessOptions {
  readonly worker: Worker;
  /** What it is told first. */
  readonly start: Extract<ToHttp, { readonly kind: 'start' }>;
  /** Who knows what it asks. */
  readonly observatory: Observatory;
}

/** A process that has loaded its modules in such a time, or never will. */
const startMs = 60_000;
/** Ending its connections takes it no time. */
const endMs = 2000;
/** Records that may be on their way to it; further ones are not told. */
const mostRecords = 200;

/** It belongs to the monitor, which ends it. */
export class HttpProcess {
  readonly startedAt = performance.now();
  /**
   * Where it is bound.
   *
   * @throws {Error} of node:net when it cannot be bound, or another one when the process cannot start
   */
  readonly ready: Promise<string>;
  readonly exited: Promise<Exit>;
  readonly #options: HttpProcessOptions;
  readonly #ready = Promise.withResolvers<string>();
  readonly #startTimer: NodeJS.Timeout;
  #endTimer: NodeJS.Timeout | undefined;
  #following = new AbortController();
  #records = 0;

  constructor(options: HttpProcessOptions) {
    this.#options = options;
    this.ready = this.#ready.promise;
    // Whoever does not wait for it hears of the exit.
    this.ready.catch(() => undefined);
    const { worker } = options;
    worker.on('message', (message: FromHttp) => this.#hear(message));
    // A process whose channel is closed is about to end: `exit` follows.
    worker.on('error', () => undefined);
    const { promise, resolve } = Promise.withResolvers<Exit>();
    worker.once('exit', (code: number | null, signal: string | null) => {
      clearTimeout(this.#startTimer);
      clearTimeout(this.#endTimer);
      this.#following.abort();
      this.#ready.reject(new Error(`the HTTP process ended with ${signal ?? `status ${code}`}`));
      resolve({ code, signal });
    });
    this.exited = promise;
    this.#startTimer = setTimeout(() => {
      this.#ready.reject(new Error(`the HTTP process was not ready within ${startMs / 1000} s`));
      this.kill();
    }, startMs);
  }

  get pid(): number | undefined {
    return this.#options.worker.process.pid;
  }

  /** Ends its connections, and the process. */
  async end(): Promise<void> {
    if (this.#options.worker.isDead()) return;
    this.#send({ kind: 'end' });
    this.#endTimer ??= setTimeout(() => this.kill(), endMs);
    await this.exited;
  }

  kill(): void {
    this.#options.worker.process.kill('SIGKILL');
  }

  #send(message: ToHttp, sent: () => void = () => undefined): void {
    // A closed channel: the exit is heard of by itself.
    this.#options.worker.send(message, undefined, sent);
  }

  #hear(message: FromHttp): void {
    switch (message.kind) {
      case 'hello':
        this.#send(this.#options.start);
        break;
      case 'ready':
        clearTimeout(this.#startTimer);
        this.#ready.resolve(message.address);
        break;
      case 'failed':
        this.#ready.reject(Object.assign(new Error(message.failure.message), message.failure));
        break;
      case 'ask':
        void this.#answer(message.id, message.question);
        break;
      case 'follow':
        this.#follow(message.on);
        break;
    }
  }

  async #answer(id: number, question: TotalQuestion): Promise<void> {
    try {
      this.#send({ kind: 'answer', id, answer: await this.#find(question) });
    } catch {
      // Whoever asked by HTTP is told so, and the log with it.
      this.#send({ kind: 'unknown', id });
    }
  }

  #find(question: TotalQuestion): Promise<TotalAnswers[keyof TotalAnswers]> {
    const { observatory } = this.#options;
    switch (question.what) {
      case 'status':
        return observatory.status();
      case 'metrics':
        return observatory.metrics();
      case 'readiness':
        return observatory.readiness();
      case 'stories':
        return observatory.stories();
      case 'story':
        return observatory.story(question.id);
    }
  }

  #follow(on: boolean): void {
    this.#following.abort();
    if (!on) return;
    this.#following = new AbortController();
    this.#options.observatory.follow((record) => {
      if (this.#records >= mostRecords) return;
      this.#records += 1;
      this.#send({ kind: 'record', record }, () => {
        this.#records -= 1;
      });
    }, this.#following.signal);
  }
}
