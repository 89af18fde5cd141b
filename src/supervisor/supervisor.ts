// The primary process: owns the listening sockets and the workers, reloads, stops; mail itself never passes here.
import { isDeepStrictEqual } from 'node:util';
import type { Configuration } from '../config/configuration.ts';
import { ConfigurationError } from '../config/mistakes.ts';
import { reasonOf } from '../config/source.ts';
import { describeDoor } from '../proxy.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import type { Observatory } from '../telemetry/status.ts';
import { version } from '../version.ts';
import { type Account, findAccount, findGroup } from './accounts.ts';
import { Dispatch } from './dispatch.ts';
import { Doors } from './doors.ts';
import { Generation } from './generation.ts';
import { Monitor } from './monitor.ts';
import { Places } from './places.ts';
import { PutOff } from './put-off.ts';
import { startFailure } from './start-failure.ts';
import type { Systemd } from './systemd.ts';
import { TotalObservatory } from './total-observatory.ts';

/** So many generations may let their connections end while another one serves. */
const mostRetiring = 2;

/** What a supervisor needs. */
export interface SupervisorOptions {
  readonly configuration: Configuration;
  /** @throws {ConfigurationError} */
  load(): Configuration;
  readonly log: Log;
  readonly systemd: Systemd;
}

/** The program while it serves. `start` once; `stop` in the end. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #doors: Doors;
  readonly #dispatch: Dispatch;
  readonly #putOff: PutOff;
  readonly #observatory: TotalObservatory;
  readonly #metrics = new Metrics({ version, process: false });
  readonly #monitor: Monitor;
  readonly #retiring = new Set<Generation>();
  #log: Log;
  #current: Generation | undefined;
  #next: Generation | undefined;
  #addresses: ReadonlyMap<string, string> = new Map();
  #reloading: Promise<void> | undefined;
  #again = false;
  #started = false;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#log = options.log;
    const current = () => this.#current?.workers ?? [];
    const all = () => this.#generations().flatMap(({ workers }) => workers);
    this.#putOff = new PutOff({
      log: () => this.#log,
      count: (listener, reason) => this.#metrics.connectionPutOff(listener, reason),
    });
    this.#dispatch = new Dispatch({
      workers: current,
      places: new Places({
        workers: all,
        configuration: ({ state }) => (state === 'waiting' ? this.#next : this.#current)?.configuration,
      }),
      putOff: (...connection) => this.#putOff.putOff(...connection),
    });
    this.#doors = new Doors((door, socket) => this.#dispatch.offer(door, socket));
    const isStopping = () => this.#stopping;
    this.#observatory = new TotalObservatory(
      {
        all,
        current,
        get stopping() {
          return isStopping();
        },
        follow: (on) => {
          for (const generation of this.#generations()) generation.follow(on);
        },
      },
      this.#metrics,
    );
    this.#monitor = new Monitor(this.#observatory);
  }

  /** Where the listeners are bound, by name. */
  get addresses(): ReadonlyMap<string, string> {
    return this.#addresses;
  }

  get observatory(): Observatory {
    return this.#observatory;
  }

  /**
   * Binds the listeners and starts the workers.
   *
   * @throws {Error} when a listener cannot be bound or a worker cannot start; nothing is left then
   */
  async start(): Promise<void> {
    const { configuration, systemd } = this.#options;
    warnOfRoot(configuration, this.#log);
    await this.#use(configuration);
    await systemd.ready(this.#describe());
    this.#started = true;
    this.#reloadAgain();
  }

  /** Reads the configuration again. While that is going on, any number of further calls are one more. */
  reload(): void {
    if (this.#stopping) return;
    if (!this.#started || this.#reloading) {
      this.#again = true;
      return;
    }
    this.#reloading = this.#reload().finally(() => {
      this.#reloading = undefined;
      this.#reloadAgain();
    });
  }

  /** Takes no more connections, lets open transactions end, and the workers with them. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const { systemd } = this.#options;
    void systemd.stopping();
    this.#doors.close();
    this.#dispatch.close();
    this.#putOff.close();
    this.#next?.kill();
    await this.#reloading;
    const graceMs = this.#current?.configuration.stopMs ?? 0;
    await Promise.all(this.#generations().map((generation) => generation.end({ patienceMs: 0, graceMs })));
    await this.#monitor.close();
    await systemd.stopping();
    systemd.close();
    this.#metrics.close();
  }

  /** Ends everything at once. */
  kill(): void {
    this.#next?.kill();
    for (const generation of this.#generations()) generation.kill();
  }

  /** For a call that came meanwhile. */
  #reloadAgain(): void {
    if (!this.#again) return;
    this.#again = false;
    this.reload();
  }

  async #reload(): Promise<void> {
    const { systemd, load } = this.#options;
    await systemd.reloading();
    let success = false;
    try {
      // First what may be wrong: a file with mistakes changes nothing, not even for those who are leaving.
      const configuration = load();
      await this.#makeRoom();
      await this.#use(configuration);
      success = true;
      const { file, workers } = configuration;
      this.#log.info('configuration reloaded', { file, workers });
    } catch (error) {
      this.#tellFailure(error);
    }
    this.#metrics.reloaded(success ? 'success' : 'failure');
    await systemd.ready(this.#describe());
  }

  #tellFailure(error: unknown): void {
    if (this.#stopping) return;
    const mistakes = error instanceof ConfigurationError ? error.mistakes : [startFailure(error)];
    for (const mistake of mistakes) this.#log.error('configuration not used', { mistake });
    this.#log.error('reload failed: the configuration stays as it was', { mistakes: mistakes.length });
  }

  /** Generations must not pile up: the oldest has no more patience when another one is to follow. */
  async #makeRoom(): Promise<void> {
    while (this.#retiring.size >= mostRetiring) {
      const [oldest] = this.#retiring;
      if (!oldest) return;
      await oldest.end({ patienceMs: 0, graceMs: oldest.configuration.stopMs });
    }
  }

  /** Starts a generation; when it serves, the one before it retires. */
  async #use(configuration: Configuration): Promise<void> {
    const account = accountOf(configuration);
    const change = await this.#doors.prepare(configuration.listeners);
    const generation = this.#build(configuration, change.addresses, account);
    this.#next = generation;
    try {
      if (this.#stopping) throw new Error('Postern is stopping');
      await generation.start();
    } catch (error) {
      change.cancel();
      throw error;
    } finally {
      this.#next = undefined;
    }
    if (this.#stopping) {
      change.cancel();
      generation.kill();
      return;
    }
    const before = this.#current;
    this.#current = generation;
    change.commit();
    this.#addresses = change.addresses;
    if (before) {
      this.#useLog(before.configuration, configuration);
      this.#retire(before);
    }
    this.#countWorkers();
    this.#dispatch.serve();
    for (const listener of configuration.listeners) {
      this.#log.info('listening', describeDoor(listener, this.#addresses.get(listener.name)));
    }
    await this.#monitor.use(configuration.http, this.#log);
  }

  /** The same log stays: another one would open its file again. */
  #useLog(before: Configuration, now: Configuration): void {
    if (!isDeepStrictEqual(before.log, now.log)) this.#log = createLog(now.log);
  }

  #build(
    configuration: Configuration,
    addresses: ReadonlyMap<string, string>,
    account: Account | undefined,
  ): Generation {
    return new Generation({
      configuration,
      addresses,
      account,
      log: this.#log,
      following: () => this.#observatory.followed,
      free: () => this.#dispatch.serve(),
      record: (record) => this.#observatory.tell(record),
      died: () => {
        this.#metrics.workerRestarted();
        this.#countWorkers();
      },
      gone: (metrics) => {
        this.#observatory.gone(metrics);
        this.#countWorkers();
      },
    });
  }

  #retire(generation: Generation): void {
    this.#retiring.add(generation);
    const { listeners, stopMs } = generation.configuration;
    // A transaction is bounded by itself; whoever reloads does not mean to cut it off.
    const longestMs = Math.max(...listeners.map(({ limits }) => limits.transactionMs + limits.answerMs));
    void generation.end({ patienceMs: stopMs, graceMs: Math.max(stopMs, longestMs) }).then(() => {
      this.#retiring.delete(generation);
    });
  }

  #countWorkers(): void {
    this.#metrics.workers(this.#generations().flatMap(({ workers }) => workers).length);
  }

  #generations(): readonly Generation[] {
    return [...(this.#current ? [this.#current] : []), ...this.#retiring];
  }

  /** For `systemctl status`. */
  #describe(): string {
    return `listening on ${[...this.#addresses.values()].join(', ')}`;
  }
}

/** Who the workers shall run as; only root can become somebody else. */
function accountOf({ user, group }: Configuration): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  try {
    if (user !== undefined) return findAccount(user, group);
    return group === undefined ? undefined : { uid: 0, gid: findGroup(group) };
  } catch (error) {
    throw new ConfigurationError([`user: ${reasonOf(error)}`]);
  }
}

function warnOfRoot({ user }: Configuration, log: Log): void {
  const isRoot = process.getuid?.() === 0;
  if (isRoot && user === undefined) log.warn('running as root: name a `user` in the configuration');
  if (!isRoot && user !== undefined) log.debug('not started as root: `user` means nothing', { user });
}
