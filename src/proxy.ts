// The whole proxy: builds resolver, checks, pools and listeners from a configuration; starts and stops them.
import type { Socket } from 'node:net';
import type { Configuration, ListenerConfiguration } from './config/configuration.ts';
import { describeFailure } from './dns/failures.ts';
import { Resolver } from './dns/resolver.ts';
import type { TellServers } from './dns/server-watch.ts';
import type { Arrival } from './listener/connection.ts';
import { type Ending, Listener } from './listener/listener.ts';
import { SpoolBudget } from './message/budget.ts';
import { buildAuthentication, buildPolicy } from './pipeline.ts';
import type { Policy } from './policy/policy.ts';
import { Pool } from './relay/pool.ts';
import { defaultTimeouts, type Timeouts } from './relay/timeouts.ts';
import { afterTurnEnd } from './smtp/turn-end.ts';
import { type Log, mistake, type WriteEvent } from './telemetry/log.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { Masker } from './telemetry/privacy.ts';
import type { WorkerStatus } from './telemetry/status.ts';
import { Trace } from './telemetry/trace.ts';

/** How long a reply to EHLO waits to learn what the downstream offers. */
const learnMs = 5_000;

/** What the stories of the last transactions may take in memory, however many are to be kept. */
const traceBytes = 64 * 1024 * 1024;

/** Gets the fields of a transaction's line in the log. */
type Hear = (record: Readonly<Record<string, unknown>>) => void;

/** A listener with the pool that belongs to it. */
interface Door {
  readonly configuration: ListenerConfiguration;
  readonly listener: Listener;
  readonly pool: Pool;
}

/** A running Postern in one process: `start` or `adopt` once, `stop` in the end. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: it is the mission's word, and nobody here needs the other Proxy
export class Proxy {
  readonly #doors: readonly Door[];
  readonly #resolver: Resolver;
  readonly #policy: Policy;
  readonly #log: Log;
  readonly #budget: SpoolBudget;
  readonly #stopMs: number;
  readonly #metrics: Metrics | undefined;
  #unobserve: (() => void) | undefined;
  readonly #addresses = new Map<string, string>();
  readonly #hearers = new Set<Hear>();
  /** The stories of the last transactions of all listeners; none unless `trace.keep` says so. */
  readonly trace: Trace;

  /** @param metrics where it is counted what passes */
  constructor(configuration: Configuration, log: Log, metrics?: Metrics) {
    this.#log = log;
    this.#metrics = metrics;
    this.#budget = new SpoolBudget(configuration.spool.limitBytes);
    this.#stopMs = configuration.stopMs;
    this.#resolver = new Resolver(
      configuration.dns,
      (milliseconds) => metrics?.dnsAnswered(milliseconds),
      (state) => tellServers(log, state),
    );
    this.#policy = buildPolicy(configuration, log);
    this.trace = new Trace({
      keep: configuration.trace.keep,
      maxBytes: traceBytes / configuration.workers,
    });
    const shared = {
      resolver: this.#resolver,
      policy: this.#policy,
      budget: this.#budget,
      log,
      metrics,
      trace: this.trace,
      ended: (record: Readonly<Record<string, unknown>>) => {
        for (const hear of this.#hearers) hear(record);
      },
    };
    this.#doors = configuration.listeners.map((listener) => buildDoor(configuration, listener, shared));
  }

  /** Where the listeners are bound, by name: `host:port`, `[v6]:port` or `unix:/path`. */
  get addresses(): ReadonlyMap<string, string> {
    return this.#addresses;
  }

  /**
   * Binds all listeners.
   *
   * @throws {Error} of node:net when one cannot be bound; the others are closed again then
   */
  async start(): Promise<void> {
    try {
      for (const { listener } of this.#doors) this.#addresses.set(listener.name, await listener.open());
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#begin();
    for (const { configuration } of this.#doors) {
      this.#log.info('listening', describeDoor(configuration, this.#addresses.get(configuration.name)));
    }
  }

  /**
   * Gets ready for connections that another process accepts.
   *
   * @param addresses where its listeners are bound, by name
   */
  adopt(addresses: ReadonlyMap<string, string>): void {
    for (const [name, address] of addresses) this.#addresses.set(name, address);
    this.#begin();
  }

  /** Takes a connection that another process has accepted for the listener of that name. */
  accept(name: string, socket: Socket, arrival: Arrival): void {
    const door = this.#doors.find(({ listener }) => listener.name === name);
    if (door) door.listener.accept(socket, arrival);
    else socket.destroy();
  }

  /** What goes on now: in memory already, so that asking costs nothing. */
  get status(): Pick<WorkerStatus, 'listeners' | 'dns' | 'spool'> {
    return {
      listeners: this.#doors.map(({ configuration, listener, pool }) => ({
        name: configuration.name,
        address: this.#addresses.get(configuration.name) ?? '',
        mode: configuration.mode,
        connections: listener.connections,
        pool: { size: configuration.pool.size, ...pool.counts },
        destinations: configuration.destinations.map(({ text }) => text),
        reachable: pool.reachable,
      })),
      dns: { ...this.#resolver.counts, entries: this.#resolver.entries },
      spool: this.#budget.counts,
    };
  }

  /**
   * Hears of each transaction that ended.
   *
   * @returns what to call to hear no more
   */
  follow(hear: Hear): () => void {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  /** Tries each downstream that no connection is open to, so that `status` tells what is so now; waits so long for it. */
  async probe(waitMs: number): Promise<void> {
    await Promise.all(this.#doors.map(({ pool }) => pool.learn(waitMs)));
  }

  /**
   * Takes no more connections, lets open transactions end, says QUIT downstream. May be called again, to be
   * less patient.
   *
   * @param ending default: only open transactions go on, for as long as the configuration says
   */
  async stop(ending: Ending = { patienceMs: 0, graceMs: this.#stopMs }): Promise<void> {
    await Promise.all(
      this.#doors.map(async ({ configuration, listener, pool }) => {
        if (this.#addresses.has(configuration.name)) await listener.close(ending);
        await pool.close();
      }),
    );
    // What was cut off last is in the log before anybody ends the process.
    await new Promise<void>(afterTurnEnd);
    this.#unobserve?.();
    this.#resolver.close();
    this.#policy.close();
    this.#addresses.clear();
  }

  #begin(): void {
    this.#policy.open();
    this.#unobserve = this.#metrics?.observe(() => {
      // What was unreachable when it was last needed is tried again while somebody looks.
      if (this.#doors.some(({ pool }) => !pool.reachable)) void this.probe(learnMs);
      return { ...this.status, spoolLimitBytes: this.#budget.limitBytes };
    });
    // The first EHLO should find the answer ready; where this fails, it asks again.
    void this.probe(learnMs);
  }
}

/** What the log says of a listener that is bound. */
export function describeDoor(
  { name, mode, destinations }: ListenerConfiguration,
  address: string | undefined,
): Readonly<Record<string, unknown>> {
  return { listener: name, address, mode, destinations: destinations.map(({ text }) => text) };
}

/** What all doors have in common. */
interface Shared {
  readonly resolver: Resolver;
  readonly policy: Policy;
  readonly budget: SpoolBudget;
  readonly log: Log;
  readonly metrics: Metrics | undefined;
  readonly trace: Trace;
  readonly ended: Hear;
}

/** Each message says only that a name of its own was not answered. */
function tellServers(log: Log, state: Parameters<TellServers>[0]): void {
  if (state.answering) {
    log.info('name servers answer again');
    return;
  }
  const { servers, code, failed } = state;
  log.warn('name servers do not answer', { servers, error: describeFailure(code), failed });
}

function buildDoor(
  configuration: Configuration,
  listener: ListenerConfiguration,
  { resolver, policy, budget, log, metrics, trace, ended }: Shared,
): Door {
  const { spool } = configuration;
  const { name, hostname, mode } = listener;
  const write: WriteEvent = (level, event, fields) => log[level](event, { listener: name, ...fields });
  const pool = new Pool({
    ...listener.pool,
    destinations: listener.destinations,
    log: write,
    session: { helloName: hostname, timeouts: timeoutsOf(listener) },
  });
  const authentication = buildAuthentication(configuration, listener, {
    explain: configuration.trace.keep > 0,
    resolver,
    report: (error, check, transaction) =>
      write('warn', 'check failed', { transaction, check, ...mistake(error) }),
  });
  const built = new Listener({
    name,
    listen: listener.listen,
    clients: listener.clients,
    proxyProtocol: listener.proxyProtocol,
    tls: listener.tls,
    limits: listener.limits,
    connected: () => metrics?.connectionOpened(name),
    offers: () => pool.learn(learnMs),
    log: write,
    transaction: {
      listener: name,
      mode,
      hostname,
      envelope: listener.envelope,
      bareNewlines: listener.bareNewlines,
      limits: { ...listener.limits, messageBytes: spool.messageLimitBytes },
      spool: { ...spool, budget },
      pool,
      authentication,
      policy,
      // Upstream has its reply before that is written down and counted.
      writeRecord: (level, event, fields) => {
        afterTurnEnd(() => {
          log[level](event, fields);
          if (event === 'transaction') ended(fields);
        });
      },
      measure: (transaction) => {
        afterTurnEnd(() => metrics?.transactionEnded(transaction));
      },
      trace,
      masker: new Masker(configuration.log.privacy),
    },
  });
  return { configuration: listener, listener: built, pool };
}

/** How long its downstream may take for each step. */
function timeoutsOf({ timeouts, pool }: ListenerConfiguration): Timeouts {
  return {
    connect: timeouts.connectMs,
    tls: timeouts.connectMs,
    greeting: timeouts.greetingMs,
    ehlo: timeouts.helloMs,
    xforward: timeouts.mailMs,
    mail: timeouts.mailMs,
    rcpt: timeouts.rcptMs,
    data: timeouts.dataMs,
    content: timeouts.contentMs,
    endOfData: timeouts.finalMs,
    // A downstream that hangs here holds places in the pool: like everything that is out of order, for no longer than the
    // back-off.
    rset: Math.min(defaultTimeouts.rset, pool.backoffMaxMs),
    quit: Math.min(defaultTimeouts.quit, pool.backoffMaxMs),
  };
}
