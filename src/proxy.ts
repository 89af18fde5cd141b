// The whole proxy: builds resolver, checks, pools and listeners from a configuration; starts and stops them.
import type { Configuration, ListenerConfiguration } from './config/configuration.ts';
import { Resolver } from './dns/resolver.ts';
import { Listener } from './listener/listener.ts';
import { buildAuthentication, buildPolicy } from './pipeline.ts';
import type { Policy } from './policy/policy.ts';
import { Pool } from './relay/pool.ts';
import type { Log } from './telemetry/log.ts';
import { Trace } from './telemetry/trace.ts';

/** How long open transactions may take when the proxy stops. */
const stopMs = 30_000;

/** How long a reply to EHLO waits to learn what the downstream offers. */
const learnMs = 5_000;

/** What the stories of the last transactions may take in memory, however many are to be kept. */
const traceBytes = 64 * 1024 * 1024;

/** A listener with the pool that belongs to it. */
interface Door {
  readonly configuration: ListenerConfiguration;
  readonly listener: Listener;
  readonly pool: Pool;
}

/** A running Postern. `start` once, `stop` once. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: it is the mission's word, and nobody here needs the other Proxy
export class Proxy {
  readonly #doors: readonly Door[];
  readonly #resolver: Resolver;
  readonly #policy: Policy;
  readonly #log: Log;
  readonly #addresses = new Map<string, string>();
  /** The stories of the last transactions of all listeners; none unless `trace.keep` says so. */
  readonly trace: Trace;

  constructor(configuration: Configuration, log: Log) {
    this.#log = log;
    this.#resolver = new Resolver(configuration.dns);
    this.#policy = buildPolicy(configuration, log);
    this.trace = new Trace({ keep: configuration.trace.keep, maxBytes: traceBytes });
    const shared = { resolver: this.#resolver, policy: this.#policy, log, trace: this.trace };
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
    this.#policy.open();
    for (const { configuration, pool } of this.#doors) {
      this.#log.info('listening', {
        listener: configuration.name,
        address: this.#addresses.get(configuration.name),
        mode: configuration.mode,
        destinations: configuration.destinations.map(({ text }) => text),
      });
      // The first EHLO should find the answer ready; where this fails, it asks again.
      void pool.learn(AbortSignal.timeout(learnMs));
    }
  }

  /** Takes no more connections, lets open transactions end (30 s at most), says QUIT downstream. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#doors.map(async ({ configuration, listener, pool }) => {
        if (this.#addresses.has(configuration.name)) await listener.close(stopMs);
        await pool.close();
      }),
    );
    this.#resolver.close();
    this.#policy.close();
    this.#addresses.clear();
  }
}

/** What all doors have in common. */
interface Shared {
  readonly resolver: Resolver;
  readonly policy: Policy;
  readonly log: Log;
  readonly trace: Trace;
}

function buildDoor(
  configuration: Configuration,
  listener: ListenerConfiguration,
  { resolver, policy, log, trace }: Shared,
): Door {
  const { spool } = configuration;
  const { name, hostname, mode, timeouts } = listener;
  const pool = new Pool({
    ...listener.pool,
    destinations: listener.destinations,
    session: {
      helloName: hostname,
      timeouts: {
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
      },
    },
  });
  const authentication = buildAuthentication(configuration, listener, {
    explain: configuration.trace.keep > 0,
    resolver,
    report: (error, check) => log.warn('check failed', { listener: name, check, error }),
  });
  const built = new Listener({
    name,
    listen: listener.listen,
    clients: listener.clients,
    proxyProtocol: listener.proxyProtocol,
    tls: listener.tls,
    limits: listener.limits,
    offers: () => pool.learn(AbortSignal.timeout(learnMs)),
    log: (level, event, fields) => log[level](event, { listener: name, ...fields }),
    transaction: {
      listener: name,
      mode,
      hostname,
      envelope: listener.envelope,
      bareNewlines: listener.bareNewlines,
      limits: { ...listener.limits, messageBytes: spool.messageLimitBytes },
      spool,
      pool,
      authentication,
      policy,
      writeRecord: (level, event, fields) => log[level](event, fields),
      trace,
    },
  });
  return { configuration: listener, listener: built, pool };
}
