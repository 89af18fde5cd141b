// One run of the load generator: which connection sends what and when, the ledger, the figures.
import { countReplies, LedgerFile, unanswered } from '../ledger.ts';
import { type Job, LoadConnection, type Owner } from './connection.ts';
import { Figures, type Summary } from './figures.ts';
import { readMessage } from './message.ts';
import type { LoadPlan } from './plan.ts';

export interface RunResult extends Summary {
  /** Connections that failed or ended before their QUIT was answered. */
  readonly connectionsFailed: number;
  /** The first few refusals and failures, as text. */
  readonly errors: readonly string[];
  /** CPU of the load generator itself, user and system. */
  readonly cpuMs: number;
}

const errorsKept = 10;
/**
 * Connections that wait for their greeting at the same time. What does not fit into the other side's backlog
 * is dropped without a word there, and would wait for ever here.
 */
const openingAtOnce = 100;
/** Before another connection takes the place of one that failed. */
const reconnectMs = 50;

export class Run implements Owner {
  readonly #plan: LoadPlan;
  readonly #messages;
  readonly #ledger: LedgerFile | undefined;
  readonly #figures = new Figures();
  #interval = new Figures();
  readonly #say: (value: unknown) => void;
  readonly #resting: LoadConnection[] = [];
  readonly #errors: string[] = [];
  readonly #cpu = process.cpuUsage();
  readonly #ended = Promise.withResolvers<void>();
  #wake: NodeJS.Timeout | undefined;
  #began: number | undefined;
  /** Stretches of one rate each: the first message of it, and when that is due. The last one has no end. */
  #paces: readonly { readonly first: number; readonly since: number; readonly rate: number }[] = [];
  #sent = 0;
  #slots: number;
  #greeted = 0;
  #opened = 0;
  #connectionsFailed = 0;
  #stopped = false;

  /** @param say takes the run's events */
  constructor(plan: LoadPlan, say: (value: unknown) => void) {
    this.#plan = plan;
    this.#say = say;
    this.#slots = plan.connections;
    this.#messages = plan.messages.map(readMessage);
    this.#ledger = plan.ledger === undefined ? undefined : new LedgerFile(plan.ledger);
  }

  /** Resolves when every message has been answered and every connection is closed. */
  async result(): Promise<RunResult> {
    for (let i = 0; i < openingAtOnce; i++) this.#open();
    const { interval } = this.#plan;
    const ticking = interval === null ? undefined : setInterval(() => this.#report(), interval * 1000);
    if (!this.#plan.waitForGo) this.go();
    await this.#ended.promise;
    clearInterval(ticking);
    await this.#ledger?.close();
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      ...this.#figures.summary(),
      connectionsFailed: this.#connectionsFailed,
      errors: this.#errors,
      cpuMs: (user + system) / 1000,
    };
  }

  go(): void {
    if (this.#began !== undefined) return;
    this.#began = performance.now();
    const { rate } = this.#plan;
    if (rate !== null) this.#paces = [{ first: 0, since: this.#began, rate }];
    this.#figures.begin();
    this.#feed();
  }

  /**
   * Changes the pace of a run that has one; what is due already, or next, is due as before.
   *
   * @param rate messages per second, above 0
   */
  pace(rate: number): void {
    const last = this.#paces.at(-1);
    if (!last || !(rate > 0)) return;
    const first = last.first + Math.max(0, Math.ceil(((performance.now() - last.since) * last.rate) / 1000));
    const since = last.since + ((first - last.first) * 1000) / last.rate;
    this.#paces = [...this.#paces, { first, since, rate }];
    clearTimeout(this.#wake);
    this.#wake = undefined;
    this.#feed();
  }

  /** No message is begun any more. */
  stop(): void {
    this.#stopped = true;
    this.go();
    this.#feed();
  }

  idle(connection: LoadConnection): void {
    this.#resting.push(connection);
    this.#open();
    if (this.#began !== undefined) this.#feed();
    else {
      this.#greeted++;
      this.#tellConnected();
    }
  }

  done(job: Job, outcome: string, reply: string): void {
    const kind =
      outcome === unanswered ? 'unanswered' : countReplies(outcome).positive > 0 ? 'accepted' : 'refused';
    if (kind === 'refused') this.#note(reply);
    const latencyMs = performance.now() - job.since;
    for (const figures of [this.#figures, this.#interval])
      figures.add(kind, job.message.rest.length, latencyMs);
    this.#ledger?.add({ id: job.id, digest: job.message.digest, outcome });
  }

  closed(connection: LoadConnection, error: string | undefined): void {
    const resting = this.#resting.indexOf(connection);
    if (resting >= 0) this.#resting.splice(resting, 1);
    if (error !== undefined) {
      this.#connectionsFailed++;
      this.#note(error);
      this.#open();
      if (this.#began === undefined) this.#tellConnected();
    }
    const again =
      error === undefined ? this.#plan.messagesPerConnection !== null : this.#plan.onFailure === 'reconnect';
    if (again && !this.#over()) setTimeout(() => this.#replace(), error === undefined ? 0 : reconnectMs);
    else if (--this.#slots === 0) this.#finish();
  }

  /** One more of those that belong to the run from its beginning. */
  #open(): void {
    if (this.#opened === this.#plan.connections) return;
    this.#opened++;
    new LoadConnection(this.#plan, this);
  }

  #replace(): void {
    new LoadConnection(this.#plan, this);
  }

  #over(): boolean {
    const { count, seconds } = this.#plan;
    if (this.#stopped || (count !== null && this.#sent >= count)) return true;
    if (this.#began === undefined || seconds === null) return false;
    return performance.now() - this.#began >= seconds * 1000;
  }

  /** Gives resting connections what there is to do. */
  #feed(): void {
    while (this.#resting.length > 0) {
      const now = performance.now();
      const over = this.#over();
      const due = this.#due();
      if (!over && due !== undefined && due > now) {
        this.#sleep(due - now);
        return;
      }
      const connection = this.#resting.shift();
      if (over) connection?.quit();
      else connection?.send(this.#job(due ?? now));
    }
  }

  /** When the next message is to be sent; undefined: as soon as it can be. */
  #due(): number | undefined {
    let [pace, next] = this.#paces;
    while (next && this.#sent >= next.first) {
      this.#paces = this.#paces.slice(1);
      [pace, next] = this.#paces;
    }
    return pace && pace.since + ((this.#sent - pace.first) * 1000) / pace.rate;
  }

  #sleep(ms: number): void {
    this.#wake ??= setTimeout(() => {
      this.#wake = undefined;
      this.#feed();
    }, ms);
  }

  #job(since: number): Job {
    const message = this.#messages[this.#sent % this.#messages.length];
    if (!message) throw new Error('no messages');
    this.#sent++;
    return { id: `${this.#plan.idPrefix}-${this.#sent}`, message, since };
  }

  #tellConnected(): void {
    if (this.#greeted + this.#connectionsFailed !== this.#plan.connections) return;
    this.#say({ event: 'connected', greeted: this.#greeted });
  }

  #note(error: string): void {
    if (this.#errors.length < errorsKept) this.#errors.push(error);
  }

  #report(): void {
    this.#say({ event: 'interval', ...this.#interval.summary() });
    this.#interval = new Figures();
  }

  #finish(): void {
    clearTimeout(this.#wake);
    this.#ended.resolve();
  }
}
