// One worker as the primary sees it: what it is told, what it is asked, and how it ends.
import type { Worker } from 'node:cluster';
import type { Socket } from 'node:net';
import type { Ending } from '../listener/listener.ts';
import type { MetricsSnapshot } from '../telemetry/metrics-total.ts';
import { Child, type Exit } from './child.ts';
import type { Answers, FromWorker, Place, Question, ToWorker } from './messages.ts';

/** What a worker needs, and whom it tells. */
export interface WorkerOptions {
  readonly worker: Worker;
  readonly number: number;
  /** What it is told first. */
  readonly start: Extract<ToWorker, { kind: 'start' }>;
  /** It can take a connection, or some of those it had have given up their places. */
  free(): void;
  /** A connection of that listener did not reach it, for want of a descriptor. */
  lost(listener: string): void;
  /** It has given no sign of life for so many seconds, and is killed. */
  stuck(seconds: number): void;
  /** Transactions have ended: JSON. */
  records(records: readonly string[]): void;
}

/** How long a worker may take to answer. */
const answerMs = 2000;
/** Beyond the time that it was given to end. */
const lateMs = 5000;
/** Nobody asks so much at the same time, but of a worker that does not answer. */
const mostQuestions = 1000;
/** A worker that has no descriptor left gets no connection for so long. */
const restMs = 1000;
/** Nothing is heard of a connection for so long: the worker is busy, or the connection was lost on its way. */
const doubtMs = 50;

/** A worker. It belongs to its generation, which waits for `exited`. */
export class WorkerProcess {
  readonly number: number;
  readonly #options: WorkerOptions;
  readonly #child: Child;
  readonly #questions = new Map<number, (answer: Answers[keyof Answers] | undefined) => void>();
  #killTimer: NodeJS.Timeout | undefined;
  #restTimer: NodeJS.Timeout | undefined;
  #state: 'starting' | 'idle' | 'handing' | 'resting' | 'ending' | 'gone' = 'starting';
  /** What it is given. Ours too until it has it: what is on its way to a process that dies would stay open for ever. */
  #handed: { readonly listener: string; readonly socket: Socket; readonly place: Place } | undefined;
  #lastHanded = 0;
  /** Runs while a connection is on its way. */
  #doubtTimer: NodeJS.Timeout | undefined;
  /** Connections by listener, those on their way included. */
  #places = new Map<string, number>();
  #lastQuestion = 0;
  #lastMetrics: MetricsSnapshot = [];

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.number = options.number;
    const { worker } = options;
    this.#child = new Child(worker, 'worker', {
      ask: () => this.#send({ kind: 'alive' }),
      stuck: options.stuck,
    });
    worker.on('message', (message: FromWorker) => this.#hear(message));
    void this.exited.then(() => this.#end());
  }

  get startedAt(): number {
    return this.#child.startedAt;
  }

  /** @throws {Error} when it cannot start */
  get ready(): Promise<void> {
    return this.#child.ready;
  }

  get exited(): Promise<Exit> {
    return this.#child.exited;
  }

  get pid(): number | undefined {
    return this.#child.pid;
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

  /** Hands a connection over; should the worker die before it has it, the connection is closed. */
  hand(listener: string, socket: Socket, place: Place): void {
    this.#state = 'handing';
    this.#handed = { listener, socket, place };
    if (place !== 'none') this.#count(listener, 1);
    const number = ++this.#lastHanded;
    forgetServer(socket);
    this.#send({ kind: 'connection', number, listener, place }, socket);
    this.#doubtTimer = setTimeout(() => this.#doubt(number), doubtMs);
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
    this.#child.kill();
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
        if (this.#state === 'starting') this.#state = 'idle';
        this.#child.becameReady();
        this.#options.free();
        break;
      case 'failed':
        this.#child.failed(new Error(message.message));
        break;
      case 'connections':
        for (const listener of message.left) this.#count(listener, -1);
        if (message.taken) this.#letGo();
        if (message.taken && this.#state === 'handing') this.#state = 'idle';
        this.#options.free();
        break;
      case 'missed':
        if (message.number === this.#lastHanded) this.#missed();
        break;
      case 'alive':
        this.#child.pulse.beat();
        break;
      case 'answer':
        this.#questions.get(message.id)?.(message.answer);
        break;
      case 'records':
        this.#options.records(message.records);
        break;
      case 'last':
        this.#lastMetrics = message.metrics;
        break;
    }
  }

  /** Nothing was heard of a connection: it may be lost; whoever says nothing of that either will take no other one. */
  #doubt(number: number): void {
    this.#send({ kind: 'handed', number });
    this.#child.pulse.feel();
  }

  /** Closes the socket here; where the worker has it, it is open there. */
  #letGo(): void {
    clearTimeout(this.#doubtTimer);
    this.#handed?.socket.destroy();
    this.#handed = undefined;
  }

  #missed(): void {
    if (this.#handed) {
      const { listener, place } = this.#handed;
      if (place !== 'none') this.#count(listener, -1);
      this.#options.lost(listener);
    }
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

  #end(): void {
    this.#state = 'gone';
    this.#places.clear();
    clearTimeout(this.#killTimer);
    clearTimeout(this.#restTimer);
    this.#letGo();
    for (const answer of this.#questions.values()) answer(undefined);
  }
}

/**
 * Of each server whose sockets pass to another process, Node.js keeps a list at both ends, with a listener each, and says
 * that listeners leak from the eleventh server on. Connections are counted here already.
 */
function forgetServer(socket: Socket): void {
  (socket as { server?: unknown }).server = undefined;
}
