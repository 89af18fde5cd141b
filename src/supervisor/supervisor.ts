// The primary process: owns the listening sockets and the workers, reloads, stops; mail itself never passes here.
import { type Account, accountOf } from '../config/accounts.ts';
import type { Configuration } from '../config/configuration.ts';
import { ConfigurationError } from '../config/mistakes.ts';
import { describeDoor } from '../proxy.ts';
import type { CurrentLog } from '../telemetry/current-log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { version } from '../version.ts';
import { Dispatch } from './dispatch.ts';
import { Doors } from './doors.ts';
import { Generation } from './generation.ts';
import { Generations } from './generations.ts';
import { Monitor, type MonitorChange, type MonitorOptions } from './monitor.ts';
import { Places } from './places.ts';
import { logOf, tryAs, warnOfRoot } from './privileges.ts';
import { PutOff } from './put-off.ts';
import { startFailure } from './start-failure.ts';
import type { Systemd } from './systemd.ts';
import { TotalObservatory } from './total-observatory.ts';

/** What a supervisor needs. */
export interface SupervisorOptions {
  readonly configuration: Configuration;
  /** @throws {ConfigurationError} */
  load(): Configuration;
  /** The primary's own; it is told when it is to be another one. */
  readonly log: CurrentLog;
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
  readonly #generations = new Generations();
  readonly #log: CurrentLog;
  #next: Generation | undefined;
  #addresses: ReadonlyMap<string, string> = new Map();
  #starting: Promise<void> | undefined;
  #reloading: Promise<void> | undefined;
  #again = false;
  #started = false;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#log = options.log;
    const generations = this.#generations;
    const current = () => generations.current?.workers ?? [];
    const all = () => generations.workers;
    this.#putOff = new PutOff({
      log: () => this.#log,
      count: (listener, reason) => this.#metrics.connectionPutOff(listener, reason),
    });
    this.#dispatch = new Dispatch({
      workers: current,
      places: new Places({
        workers: all,
        configuration: ({ state }) => (state === 'waiting' ? this.#next : generations.current)?.configuration,
      }),
      putOff: (...connection) => this.#putOff.putOff(...connection),
    });
    this.#doors = new Doors((door, socket) => this.#dispatch.offer(door, socket));
    const isStopping = () => this.#stopping;
    const doors = this.#doors;
    this.#observatory = new TotalObservatory(
      {
        all,
        current,
        get stopping() {
          return isStopping();
        },
        get lost() {
          return doors.lost;
        },
        follow: (on) => {
          generations.follow(on);
          // HTTP that comes with it follows when its workers are ready already.
          this.#next?.follow(on);
        },
      },
      this.#metrics,
    );
    this.#monitor = new Monitor(this.#observatory, this.#log);
  }

  /** Where the listeners are bound, by name. */
  get addresses(): ReadonlyMap<string, string> {
    return this.#addresses;
  }

  get observatory(): TotalObservatory {
    return this.#observatory;
  }

  /**
   * Binds the listeners and starts the workers.
   *
   * @throws {Error} when a listener cannot be bound or a worker cannot start; nothing is left then
   */
  async start(): Promise<void> {
    const { configuration, systemd } = this.#options;
    this.#starting = this.#use(configuration);
    await this.#starting;
    const { file, workers } = configuration;
    this.#log.info('started', { version, file, workers });
    await this.#monitor.start(monitorOf(configuration, accountOf(configuration)));
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
    this.#monitor.giveUp();
    const graceMs = this.#generations.current?.configuration.stopMs ?? 0;
    await Promise.all([
      // One that is given up takes its sockets away again.
      this.#starting?.catch(() => undefined),
      // A reload that waits for the oldest to end waits for the same: nobody gets the time twice.
      this.#reloading,
      this.#generations.end({ patienceMs: 0, graceMs }),
    ]);
    await this.#monitor.close();
    await systemd.stopping();
    systemd.close();
    this.#metrics.close();
  }

  /** Ends everything at once. */
  kill(): void {
    this.#next?.kill();
    this.#generations.kill();
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
      await this.#generations.makeRoom();
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

  /** Of what was not told of the configuration in use. */
  #warn(warnings: readonly string[]): void {
    const told = new Set(this.#generations.current?.configuration.warnings);
    for (const warning of warnings) {
      if (!told.has(warning)) this.#log.warn('configuration warning', { warning });
    }
  }

  #tellFailure(error: unknown): void {
    if (this.#stopping) return;
    const mistakes = error instanceof ConfigurationError ? error.mistakes : [startFailure(error)];
    for (const mistake of mistakes) this.#log.error('configuration not used', { mistake });
    this.#log.error('reload failed: the configuration stays as it was', { mistakes: mistakes.length });
  }

  /**
   * Starts a generation; when it serves, the one before it retires.
   *
   * @throws {Error} when there is anything in it that cannot be had; nothing has changed then
   */
  async #use(configuration: Configuration): Promise<void> {
    // A reload may have waited until now.
    this.#beRunning();
    this.#warn(configuration.warnings);
    const account = accountOf(configuration);
    tryAs(account);
    const change = await this.#doors.prepare(configuration.listeners);
    const generation = this.#build(configuration, change.addresses, account);
    const before = this.#generations.current;
    // Where only root can make the log's file, it is to be there before those who write it.
    const told = before && this.#log.prepare(logOf(configuration, account));
    let monitored: MonitorChange | undefined;
    this.#next = generation;
    try {
      this.#beRunning();
      await generation.start();
      this.#beRunning();
      // At the start mail comes first.
      if (before) monitored = await this.#monitor.prepare(monitorOf(configuration, account));
      this.#beRunning();
      change.commit();
    } catch (error) {
      change.cancel();
      monitored?.cancel();
      told?.cancel();
      generation.kill();
      // Whoever has come to one of the new doors is told so.
      this.#dispatch.serve();
      throw error;
    } finally {
      this.#next = undefined;
    }
    this.#generations.serveBy(generation);
    this.#addresses = change.addresses;
    told?.commit();
    this.#dispatch.serve();
    warnOfRoot(configuration, this.#log);
    for (const listener of configuration.listeners) {
      this.#log.info('listening', describeDoor(listener, this.#addresses.get(listener.name)));
    }
    monitored?.commit();
  }

  /** @throws {Error} when whoever starts something has been overtaken by a signal */
  #beRunning(): void {
    if (this.#stopping) throw new Error('Postern is stopping');
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
      records: (records) => this.#observatory.tell(records),
      died: () => this.#metrics.workerRestarted(),
      gone: (metrics) => this.#observatory.gone(metrics),
    });
  }

  /** For `systemctl status`. */
  #describe(): string {
    return `listening on ${[...this.#addresses.values()].join(', ')}`;
  }
}

function monitorOf({ http, log }: Configuration, account: Account | undefined): MonitorOptions {
  return { http, account, log };
}
