// A proxy that runs inside the test, from a configuration as its reader would write it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadConfiguration } from '../../src/config/load.ts';
import { Proxy as PosternProxy } from '../../src/proxy.ts';
import type { Log, LogFields } from '../../src/telemetry/log.ts';
import type { Metrics } from '../../src/telemetry/metrics.ts';
import type { Trace } from '../../src/telemetry/trace.ts';
import { testCertificate } from './scripted-downstream.ts';

/** One event of the log. */
export interface LoggedEvent {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

/** What a test says of the configuration; the rest is filled in here or has its default. */
export interface ProxyPlan {
  /** Keys of the one listener, e.g. `{ mode, destinations }`. */
  readonly listener: Readonly<Record<string, unknown>>;
  /** Top-level keys. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The zone; names come from here and nowhere else. */
  readonly zone?: Readonly<Record<string, unknown>>;
  /** Files beside the configuration, by name: certificate, key. */
  readonly files?: Readonly<Record<string, string>>;
  /** Where it is counted what passes. */
  readonly metrics?: Metrics;
}

/** `tls` of a listener whose plan has {@link tlsFiles}. */
export const listenerTls = { certificate: 'tls.crt', key: 'tls.key' } as const;
export const tlsFiles = { 'tls.crt': testCertificate.cert, 'tls.key': testCertificate.key } as const;

/** Where a client connects. */
export type ClientAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** A proxy with one listener; `await using` stops it. */
export class RunningProxy implements AsyncDisposable {
  readonly address: ClientAddress;
  readonly events: readonly LoggedEvent[];
  readonly directory: string;
  readonly #proxy: PosternProxy;

  private constructor(proxy: PosternProxy, events: readonly LoggedEvent[], directory: string) {
    const [address = ''] = proxy.addresses.values();
    const unix = /^unix:(.*)$/.exec(address)?.[1];
    const port = Number(address.slice(address.lastIndexOf(':') + 1));
    this.address = unix === undefined ? { host: '127.0.0.1', port } : { path: unix };
    this.#proxy = proxy;
    this.events = events;
    this.directory = directory;
  }

  static async start(plan: ProxyPlan): Promise<RunningProxy> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-test-'));
    await writeFile(join(directory, 'zone.yaml'), stringify(plan.zone ?? {}));
    for (const [name, text] of Object.entries(plan.files ?? {})) await writeFile(join(directory, name), text);
    const file = join(directory, 'postern.yaml');
    const listener = { name: 'test', listen: '127.0.0.1:0', mode: 'after-queue', ...plan.listener };
    const settings = {
      hostname: 'postern.example',
      spool: { directory },
      dns: { zone: './zone.yaml', zoneOnly: true },
      http: false,
      workers: 1,
      ...plan.settings,
    };
    await writeFile(file, stringify({ ...settings, listeners: [listener] }));
    const events: LoggedEvent[] = [];
    const tell =
      (level: string) =>
      (event: string, fields: LogFields = {}) => {
        events.push({ level, event, fields });
      };
    const log: Log = { error: tell('error'), warn: tell('warn'), info: tell('info'), debug: tell('debug') };
    try {
      const proxy = new PosternProxy(loadConfiguration({ file, environment: {} }), log, plan.metrics);
      await proxy.start();
      return new RunningProxy(proxy, events, directory);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get trace(): Trace {
    return this.#proxy.trace;
  }

  /** What goes on in it now. */
  get status(): PosternProxy['status'] {
    return this.#proxy.status;
  }

  /** Connections from upstream that are open now. */
  get open(): number {
    return this.#proxy.status.listeners.reduce((sum, { connections }) => sum + connections, 0);
  }

  /** What the log says of transactions. */
  transactions(): readonly LogFields[] {
    return this.events.filter(({ event }) => event === 'transaction').map(({ fields }) => fields);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
