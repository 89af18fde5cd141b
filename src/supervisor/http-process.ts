// The process that serves HTTP as the primary sees it: what it is told, what it asks, and how it ends.
import type { Worker } from 'node:cluster';
import { Child, type Exit } from './child.ts';
import type { FromHttp, ToHttp, TotalAnswers, TotalQuestion } from './http-messages.ts';
import type { TotalObservatory } from './total-observatory.ts';

/** What it needs. */
export interface HttpProcessOptions {
  readonly worker: Worker;
  /** What it is told first. */
  readonly start: Extract<ToHttp, { readonly kind: 'start' }>;
  /** Who knows what it asks. */
  readonly observatory: TotalObservatory;
  /** It has given no sign of life for so many seconds, and is killed. */
  stuck(seconds: number): void;
}

/** Ending its connections takes it no time. */
const endMs = 2000;
/** Records that may be on their way to it; further ones are not told. */
const mostRecords = 2000;

/** It belongs to the monitor, which ends it. */
export class HttpProcess {
  readonly #options: HttpProcessOptions;
  readonly #child: Child<string>;
  #endTimer: NodeJS.Timeout | undefined;
  #following = new AbortController();
  #records = 0;

  constructor(options: HttpProcessOptions) {
    this.#options = options;
    const { worker } = options;
    this.#child = new Child<string>(worker, 'the HTTP process', {
      ask: () => this.#send({ kind: 'alive' }),
      stuck: options.stuck,
    });
    worker.on('message', (message: FromHttp) => this.#hear(message));
    void this.exited.then(() => {
      clearTimeout(this.#endTimer);
      this.#following.abort();
    });
  }

  get startedAt(): number {
    return this.#child.startedAt;
  }

  /**
   * Where it is bound.
   *
   * @throws {Error} of node:net when it cannot be bound, or another one when the process cannot start
   */
  get ready(): Promise<string> {
    return this.#child.ready;
  }

  get exited(): Promise<Exit> {
    return this.#child.exited;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends its connections, and the process. */
  async end(): Promise<void> {
    if (this.#options.worker.isDead()) return;
    this.#send({ kind: 'end' });
    this.#endTimer ??= setTimeout(() => this.kill(), endMs);
    await this.exited;
  }

  kill(): void {
    this.#child.kill();
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
        this.#child.becameReady(message.address);
        break;
      case 'failed':
        this.#child.failed(Object.assign(new Error(message.failure.message), message.failure));
        break;
      case 'alive':
        this.#child.pulse.beat();
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
    this.#options.observatory.follow((records) => {
      if (this.#records >= mostRecords) return;
      this.#records += records.length;
      this.#send({ kind: 'records', records }, () => {
        this.#records -= records.length;
      });
    }, this.#following.signal);
  }
}
