// One worker as the primary sees it: what it is told, what it is asked, and how it ends.
import type { Worker } from 'node:cluster';
import type { Socket } from 'node:net';
import type { Ending } from '../listener/listener.ts';
import type { MetricsSnapshot } from '../telemetry/metrics-total.ts';
import type { Answers, FromWorker, Question, ToWorker } from './messages.ts';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** What a worker needs, and whom it tells. */
export interface WorkerOptions {
  readonly worker: Worker;
  readonly number: number;
  /** What it is told first. */
  readonly start: Extract<ToWorker, { kind: 'start' }>;
  /** It can take a connection, or some of those it had have given up their places. */
  free(): void;
  record(record: Readonly<Record<string, unknown>>): void;
}

/** A process that has loaded its modules in such a time, or never will. */
const startMs = 60_000;
/** How long a worker may take to answer. */
const answerMs = 2000;
/** Beyond the time that it was given to end. */
const lateMs = 5000;
/** Nobody asks so much at the same time, but of a worker that does not answer. */
const mostQuestions = 1000;
/** A worker that has no descriptor left gets no connection for so long. */
const restMs = 1000;

/** A worker. It belongs to its generation, which waits for `exited`. */
export class WorkerProcess {
  readonly number: number;
  readonly startedAt = performance.now();
  /** @throws {Error} when it cannot start */
  readonly ready: Promise<void>;
  readonly exited: Promise<Exit>;
  readonly #options: WorkerOptions;
  readonly #ready = Promise.withResolvers<void>();
  readonly #questions = new Map<number, (answer: Answers[keyof Answers] | undefined) => void>();
  readonly #startTimer: NodeJS.Timeout;
  #killTimer: NodeJS.Timeout | undefined;
  #restTimer: NodeJS.Timeout | undefined;
  #state: 'starting' | 'idle' | 'handing' | 'resting' | 'ending' | 'gone' = 'starting';
  /** What it is given. Ours too until it has it: what is on its way to a process that dies would stay open for ever. */
  #handed: { readonly listener: string; readonly socket: Socket; readonly surplus: boolean } | undefined;
  /** Connections by listener, those on their way included. */
  #places = new Map<string, number>();
  #lastQuestion = 0;
  #lastMetrics: MetricsSnapshot = [];

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.number = options.number;
    this.ready = this.#ready.promise;
    // Whoever does not wait for it hears of the exit.
    this.ready.catch(() => undefined);
    const { worker } = options;
    worker.on('message', (message: FromWorker) => this.#hear(message));
    // A worker whose channel is closed is about to end: `exit` follows.
    worker.on('error', () => undefined);
    const { promise, resolve } = Promise.withResolvers<Exit>();
    worker.once('exit', (code: number | null, signal: string | null) => {
      this.#end(new Error(`worker ended with ${signal ?? `status ${code}`}`));
      resolve({ code, signal });
    });
    this.exited = promise;
    this.#startTimer = setTimeout(() => {
      this.#ready.reject(new Error(`worker was not ready within ${startMs / 1000} s`));
      this.kill();
    }, startMs);
  }

  get pid(): number | undefined {
    return this.#options.worker.process.pid;
  }

  /** Connections that have places, those on their way included. */
  get connections(): number {
    let sum = 0;
    for (const count of this.#places.values()) sum += count;
    return sum;
  }

  /** The same, of one listener. */
  connectionsOf(listener: string): number {
    return this.#places.get(listener) ?? 0;
  }

  /** Whether it can take a connection now: one at a time, so that none waits behind one that is stuck. */
  get free(): boolean {
    // Between the end of its channel and the news of its exit, whatever it is handed would be lost.
    return this.#state === 'idle' && this.#options.worker.isConnected();
  }

  /** What it had counted when it was asked last. */
  get lastMetrics(): MetricsSnapshot {
    return this.#lastMetrics;
  }

  /**
   * Hands a connection over; should the worker die before it has it, the connection is closed.
   *
   * @param surplus whether it has no place, and shall be refused
   */
  hand(listener: string, socket: Socket, surplus: boolean): void {
    this.#state = 'handing';
    this.#handed = { listener, socket, surplus };
    if (!surplus) this.#count(listener, 1);
    this.#send({ kind: 'connection', listener, surplus }, socket);
    this.#send({ kind: 'handed' });
  }

  /** @returns undefined: it did not answer in time */
  async ask<What extends keyof Answers>(
    question: Extract<Question, { readonly what: What }>,
  ): Promise<Answers[What] | undefined> {
    if (this.#state === 'starting' || this.#state === 'gone' || this.#questions.size >= mostQuestions) {
      return undefined;
    }
    const id = ++this.#lastQuestion;
    const { promise, resolve } = Promise.withResolvers<Answers[keyof Answers] | undefined>();
    const timer = setTimeout(() => resolve(undefined), answerMs);
    this.#questions.set(id, resolve);
    this.#send({ kind: 'ask', id, question });
    try {
      // What is asked says what is answered.
      const answer = (await promise) as Answers[What] | undefined;
      if (question.what === 'metrics' && answer) this.#lastMetrics = answer as MetricsSnapshot;
      return answer;
    } finally {
      clearTimeout(timer);
      this.#questions.delete(id);
    }
  }

  /** Whether it shall tell of transactions. */
  follow(on: boolean): void {
    this.#send({ kind: 'follow', on });
  }

  /** Gets no more connections, and ends when those it has are through, or when the time is over. */
  end({ patienceMs, graceMs }: Ending): void {
    if (this.#state === 'gone') return;
    if (this.#state === 'starting') {
      this.kill();
      return;
    }
    this.#state = 'ending';
    this.#send({ kind: 'end', patienceMs, graceMs });
    clearTimeout(this.#killTimer);
    this.#killTimer = setTimeout(() => this.kill(), graceMs + lateMs);
  }

  kill(): void {
    this.#options.worker.process.kill('SIGKILL');
  }

  #send(message: ToWorker, socket?: Socket): void {
    const { worker } = this.#options;
    // A closed channel: the exit is heard of by itself.
    worker.send(message, socket, { keepOpen: true }, () => undefined);
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'hello':
        this.#send(this.#options.start);
        break;
      case 'ready':
        clearTimeout(this.#startTimer);
        if (this.#state === 'starting') this.#state = 'idle';
        this.#ready.resolve();
        this.#options.free();
        break;
      case 'failed':
        this.#ready.reject(new Error(message.message));
        break;
      case 'connections':
        for (const listener of message.left) this.#count(listener, -1);
        if (message.taken) this.#letGo();
        if (message.taken && this.#state === 'handing') this.#state = 'idle';
        this.#options.free();
        break;
      case 'missed':
        this.#missed();
        break;
      case 'answer':
        this.#questions.get(message.id)?.(message.answer);
        break;
      case 'record':
        this.#options.record(message.record);
        break;
      case 'last':
        this.#lastMetrics = message.metrics;
        break;
    }
  }

  /** Closes the socket here; where the worker has it, it is open there. */
  #letGo(): void {
    this.#handed?.socket.destroy();
    this.#handed = undefined;
  }

  #missed(): void {
    if (this.#handed && !this.#handed.surplus) this.#count(this.#handed.listener, -1);
    this.#letGo();
    if (this.#state !== 'handing') return;
    this.#state = 'resting';
    this.#restTimer = setTimeout(() => {
      if (this.#state === 'resting') this.#state = 'idle';
      this.#options.free();
    }, restMs);
  }

  #count(listener: string, change: number): void {
    const count = this.connectionsOf(listener) + change;
    // Names come and go with configurations.
    if (count > 0) this.#places.set(listener, count);
    else this.#places.delete(listener);
  }

  #end(error: Error): void {
    this.#state = 'gone';
    this.#places.clear();
    clearTimeout(this.#startTimer);
    clearTimeout(this.#killTimer);
    clearTimeout(this.#restTimer);
    this.#letGo();
    this.#ready.reject(error);
    for (const answer of this.#questions.values()) answer(undefined);
  }
}
