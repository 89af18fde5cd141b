// A worker process: a proxy with its share of everything, that gets its connections from the primary.
import cluster from 'node:cluster';
import { Socket } from 'node:net';
import type { Configuration } from '../config/configuration.ts';
import { reloadCustomChecks } from '../config/custom-checks.ts';
import type { Ending } from '../listener/listener.ts';
import { Proxy as MailProxy } from '../proxy.ts';
import { createLog, type Log, mistake } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { version } from '../version.ts';
import { keepCode } from './heap.ts';
import { LocalObservatory } from './local-observatory.ts';
import type { Answers, FromWorker, Question, ToWorker } from './messages.ts';
import { obeyPrimaryAlone, tellPrimary } from './orders.ts';
import { RecordBatch } from './record-batch.ts';
import { shareOf } from './shares.ts';
import { warnAboutSpool } from './spool-warning.ts';
import { surviveMistakes } from './survive.ts';
import { withFields } from './worker-log.ts';

keepCode();

const tell: (message: FromWorker, told?: () => void) => void = tellPrimary;

/** What was counted is told within this time, or not at all. */
const farewellMs = 1000;
/** Places that are free again are told of within this time, where there are others. */
const gatherMs = 10;

/** A worker that runs. */
class RunningWorker {
  readonly #configuration: Configuration;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #proxy: MailProxy;
  readonly #observatory: LocalObservatory;
  #following = new AbortController();
  readonly #records = new RecordBatch((records, sent) => tell({ kind: 'records', records }, sent));
  /** The number of the last connection that has come. */
  #arrived = 0;
  /** Whether somebody may wait for a place. */
  #scarce = false;
  #left: string[] = [];
  #leftTimer: NodeJS.Timeout | undefined;
  #ending: Promise<void> | undefined;

  constructor({ configuration: sent, number, addresses }: Extract<ToWorker, { kind: 'start' }>) {
    const whole = { ...sent, customChecks: reloadCustomChecks(sent) };
    this.#configuration = shareOf(whole, number);
    this.#log = withFields(createLog(this.#configuration.log), { worker: number });
    surviveMistakes(this.#log);
    // All workers would warn of the same.
    if (number === 1) warnAboutSpool(this.#configuration.spool.directory, this.#log);
    this.#metrics = new Metrics({ version });
    this.#proxy = new MailProxy(this.#configuration, this.#log, this.#metrics);
    this.#observatory = new LocalObservatory(this.#proxy, this.#metrics);
    this.#proxy.adopt(addresses);
  }

  hear(message: Exclude<ToWorker, { kind: 'start' }>, socket: unknown): void {
    switch (message.kind) {
      case 'connection':
        this.#arrived = message.number;
        this.#accept(message, socket);
        break;
      case 'handed':
        if (this.#arrived !== message.number) tell({ kind: 'missed', number: message.number });
        break;
      case 'alive':
        tell({ kind: 'alive' });
        break;
      case 'end':
        this.end(message);
        break;
      case 'ask':
        void this.#answer(message.id, message.question);
        break;
      case 'follow':
        this.#follow(message.on);
        break;
    }
  }

  /** Ends the proxy, and the process with it; may be called again, to be less patient. */
  end(ending: Ending = { patienceMs: 0, graceMs: this.#configuration.stopMs }): void {
    const stopped = this.#proxy.stop(ending);
    this.#ending ??= stopped.then(() => this.#exit());
  }

  #accept({ listener, place }: Extract<ToWorker, { kind: 'connection' }>, socket: unknown): void {
    let hasPlace = place !== 'none';
    this.#scarce = place !== 'one';
    const left = () => {
      if (hasPlace) this.#leave(listener);
      hasPlace = false;
    };
    // On its way a connection may have gone.
    if (!(socket instanceof Socket)) left();
    this.#tellConnections(true);
    if (!(socket instanceof Socket)) return;
    socket.once('close', left);
    this.#proxy.accept(listener, socket, { surplus: place === 'none', left });
  }

  /** What ends within a moment is told together, or with the next connection that comes: a message costs 20 µs at both ends. */
  #leave(listener: string): void {
    this.#left.push(listener);
    this.#leftTimer ??= setTimeout(() => this.#tellConnections(false), this.#scarce ? 0 : gatherMs);
  }

  #tellConnections(taken: boolean): void {
    clearTimeout(this.#leftTimer);
    this.#leftTimer = undefined;
    const left = this.#left;
    this.#left = [];
    tell({ kind: 'connections', taken, left });
  }

  async #answer(id: number, question: Question): Promise<void> {
    try {
      tell({ kind: 'answer', id, answer: await this.#find(question) });
    } catch (error) {
      // Who asked gives up after a while.
      this.#log.error('question not answered', { question: question.what, ...mistake(error) });
    }
  }

  async #find(question: Question): Promise<Answers[keyof Answers]> {
    switch (question.what) {
      case 'status':
        return this.#observatory.worker();
      case 'metrics':
        return this.#observatory.snapshot();
      case 'readiness':
        return this.#observatory.readiness();
      case 'stories':
        return this.#observatory.stories();
      case 'story':
        return this.#observatory.story(question.id);
    }
  }

  #follow(on: boolean): void {
    this.#following.abort();
    if (!on) return;
    this.#following = new AbortController();
    this.#observatory.follow((record) => this.#records.add(record), this.#following.signal);
  }

  async #exit(): Promise<void> {
    setTimeout(() => process.exit(0), farewellMs);
    this.#records.flush();
    const metrics = await this.#observatory.snapshot().catch(() => []);
    tell({ kind: 'last', metrics }, () => process.exit(0));
  }
}

let running: RunningWorker | undefined;

function start(message: Extract<ToWorker, { kind: 'start' }>): void {
  try {
    running = new RunningWorker(message);
    tell({ kind: 'ready' });
  } catch (error) {
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }, () =>
      process.exit(70),
    );
  }
}

obeyPrimaryAlone();
// node:cluster would end the process at once when the primary is gone; its transactions shall end first.
if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
process.on('disconnect', () => {
  if (running) running.end();
  else process.exit(0);
});
process.on('message', (message: ToWorker, socket: unknown) => {
  if (message.kind === 'start') start(message);
  else running?.hear(message, socket);
});
tell({ kind: 'hello' });
