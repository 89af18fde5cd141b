// Postern as it runs in production, in processes of its own: configuration, start, what it has used, end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { endWithUs } from '../program.ts';
import { sum } from '../statistics.ts';
import type { Material } from './material.ts';
import { cpuMs, family, residentBytes } from './processes.ts';

/** How mail comes to Postern: before the queue, after it, or after it with LMTP on both sides. */
export type Mode = 'before' | 'after' | 'lmtp';

export interface PosternPlan {
  readonly material: Material;
  /** Port of the sink. */
  readonly downstream: number;
  readonly checks: 'all' | 'pass';
  readonly workers?: number | 'auto';
  /** Default: the zone file, and no network. */
  readonly dns?: Readonly<Record<string, unknown>>;
  readonly connections?: number;
  /** How late its event loops are is written down. */
  readonly watched?: boolean;
}

const source = new URL('../../src/cli.ts', import.meta.url).pathname;
const watcher = new URL('event-loop.ts', import.meta.url).href;
const startMs = 60_000;
/** Of any measurement that sends messages. */
const mostConnections = 256;
const nothing = Object.fromEntries(
  ['iprev', 'auth', 'x-tls', 'spf', 'dkim', 'arc', 'dmarc'].map((name) => [name, false]),
);

export class Postern implements AsyncDisposable {
  readonly directory: string;
  readonly checks: PosternPlan['checks'];
  readonly #process: ChildProcess;
  readonly #addresses: Readonly<Record<Mode, string>>;
  /** The primary, its workers and the process of HTTP. */
  readonly #pids: readonly number[];

  private constructor(
    directory: string,
    checks: PosternPlan['checks'],
    started: ChildProcess,
    addresses: Record<Mode, string>,
  ) {
    this.directory = directory;
    this.checks = checks;
    this.#process = started;
    this.#addresses = addresses;
    this.#pids = family(started.pid ?? 0);
  }

  static async start(plan: PosternPlan): Promise<Postern> {
    const directory = mkdtempSync(join(plan.material.directory, 'postern-'));
    const file = join(directory, 'postern.yaml');
    writeFileSync(file, stringify(await configuration(directory, plan)));
    const args = [...(plan.watched ? ['--import', watcher] : []), source, 'serve', '--config', file];
    const environment = { ...process.env, ...(plan.watched && { BENCH_EVENT_LOOP: directory }) };
    const started = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: environment,
    });
    endWithUs(started);
    const timer = setTimeout(() => started.kill('SIGKILL'), startMs);
    for await (const line of createInterface({ input: started.stdout })) {
      const [, after, before, lmtp] =
        /^postern: listening on (\S+) \(.*, (\S+) \(.*, (\S+) \(/.exec(line) ?? [];
      if (after === undefined || before === undefined || lmtp === undefined) continue;
      clearTimeout(timer);
      started.stdout.resume();
      return new Postern(directory, plan.checks, started, { after, before, lmtp });
    }
    clearTimeout(timer);
    throw new Error('Postern did not start');
  }

  address(mode: Mode): string {
    return this.#addresses[mode];
  }

  get pids(): readonly number[] {
    return this.#pids;
  }

  /** @throws {Error} when a process has ended, or come: what it has used would not be counted */
  get cpuMs(): number {
    const now = family(this.#process.pid ?? 0);
    if (now.join() !== this.#pids.join())
      throw new Error(`Postern had processes ${this.#pids}, and has ${now}`);
    return sum(now, cpuMs);
  }

  get residentBytes(): number {
    return sum(this.#pids, residentBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), startMs);
    await ended;
    clearTimeout(timer);
  }
}

async function configuration(directory: string, plan: PosternPlan): Promise<unknown> {
  const listener = (name: Mode) => ({
    name,
    listen: '127.0.0.1:0',
    mode: name === 'before' ? 'before-queue' : 'after-queue',
    destinations: [`${name === 'lmtp' ? 'lmtp' : 'smtp'}://127.0.0.1:${plan.downstream}`],
    // 256 that send 25 MB at once take minutes: with 50 connections downstream, as usual, the last would be told to wait.
    pool: { size: mostConnections },
    ...(plan.connections && { limits: { connections: plan.connections } }),
  });
  return {
    hostname: 'mx.example.org',
    listeners: [listener('after'), listener('before'), listener('lmtp')],
    dns: plan.dns ?? { zone: plan.material.zoneFile, zoneOnly: true },
    ...(plan.checks === 'pass' && { checks: nothing }),
    // 256 messages of 25 MB at once.
    spool: { directory, limit: '16GiB' },
    http: `127.0.0.1:${await freePort()}`,
    workers: plan.workers ?? 1,
    log: { output: join(directory, 'log') },
  };
}

/** Of the HTTP endpoint, which has to be named. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
