// Postern as an administrator runs it: `postern serve` with a file, its log read, its workers known.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { stringify } from 'yaml';
import { type Program, program, programForAll } from '../../support/program.ts';

// A machine that many tests share may take long for a start.
const patienceMs = 60_000;

/** One line of the log. */
export type Event = Readonly<Record<string, unknown>> & { readonly event: string };

/** What a test says of a listener; the rest is filled in here. */
export type Listener = Readonly<Record<string, unknown>>;

/** A running program; `await using` ends it and everything it has started. */
export class Served implements AsyncDisposable {
  readonly directory: string;
  readonly events: Event[] = [];
  readonly file: string;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #watchers = new Set<() => void>();
  #announced = '';
  #stderr = '';

  private constructor(directory: string, environment: NodeJS.ProcessEnv, { node, cli }: Program) {
    this.directory = directory;
    this.file = join(directory, 'postern.yaml');
    const kept = Object.entries(process.env).filter(([name]) => !/^(?:POSTERN|NODE_TEST|NOTIFY)_/.test(name));
    this.#child = spawn(node, [cli, 'serve', '--config', this.file], {
      env: { ...Object.fromEntries(kept), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stderr.on('data', (chunk) => {
      this.#stderr += String(chunk);
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#hear(line));
    this.#child.on('exit', () => this.#changed());
  }

  /** Starts the program and waits until it says that it listens. */
  static async start(
    listeners: readonly Listener[],
    settings: Readonly<Record<string, unknown>> = {},
    environment: NodeJS.ProcessEnv = {},
    started: Program = Object.hasOwn(settings, 'user') ? programForAll() : program,
  ): Promise<Served> {
    const directory = mkdtempSync(join(tmpdir(), 'postern-supervisor-'));
    writeConfiguration(directory, listeners, settings);
    const served = new Served(directory, environment, started);
    try {
      await served.until(() => served.#announced !== '');
      return served;
    } catch (error) {
      // Nobody else can end it.
      await served[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The line that says where it listens. */
  get announced(): string {
    return this.#announced;
  }

  /** What it has written to standard error. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Where a listener is bound, as the log said last. */
  port(listener = 'in'): { host: string; port: number } {
    const address = String(this.of('listening').findLast((event) => event.listener === listener)?.address);
    const colon = address.lastIndexOf(':');
    return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  }

  /** Events of one name. */
  of(event: string): readonly Event[] {
    return this.events.filter((each) => each.event === event);
  }

  /** Pids of the processes it has started. */
  workers(): readonly number[] {
    return childrenOf(this.pid);
  }

  /** How many descriptors the primary has open. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Whether the primary has a file open. */
  hasOpen(path: string): boolean {
    return readdirSync(`/proc/${this.pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${this.pid}/fd/${fd}`) === path;
      } catch {
        // It was closed meanwhile.
        return false;
      }
    });
  }

  /** Whether a write to one of the primary's descriptors waits until somebody reads. */
  waitsFor(descriptor: number): boolean {
    const [, flags] =
      /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/${this.pid}/fdinfo/${descriptor}`, 'utf8')) ?? [];
    return (Number.parseInt(flags ?? '', 8) & constants.O_NONBLOCK) === 0;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Writes another configuration. */
  write(listeners: readonly Listener[], settings: Readonly<Record<string, unknown>> = {}): void {
    writeConfiguration(this.directory, listeners, settings);
  }

  /** SIGHUP, and until that is done. */
  async reload(): Promise<void> {
    const done = () =>
      this.of('configuration reloaded').length +
      this.of('reload failed: the configuration stays as it was').length;
    const before = done();
    this.signal('SIGHUP');
    await this.until(() => done() > before);
  }

  /** Waits until it is so. */
  async until(isSo: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(patienceMs);
    while (!isSo()) {
      if (this.#child.exitCode !== null && this.#announced === '')
        throw new Error(`it ended: ${this.#stderr}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#watchers.add(resolve);
      deadline.addEventListener('abort', () => resolve());
      // What is read from /proc changes without a word.
      const timer = setTimeout(resolve, 50);
      await promise;
      clearTimeout(timer);
      this.#watchers.delete(resolve);
      if (deadline.aborted)
        throw new Error(`waited too long; its log: ${JSON.stringify(this.events.slice(-20))}${this.#stderr}`);
    }
  }

  /** How it ended: status, or signal. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const workers = this.workers();
    this.#child.kill('SIGKILL');
    await this.ended();
    for (const pid of workers) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended already.
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #hear(line: string): void {
    if (line.startsWith('postern: listening on ')) this.#announced = line;
    else if (line.startsWith('{')) this.events.push(JSON.parse(line) as Event);
    this.#changed();
  }

  #changed(): void {
    for (const wake of this.#watchers) wake();
  }
}

function writeConfiguration(
  directory: string,
  listeners: readonly Listener[],
  settings: Readonly<Record<string, unknown>>,
): void {
  const common = {
    hostname: 'postern.example',
    dns: { zone: '/dev/null', zoneOnly: true },
    spool: { directory },
    http: false,
    workers: 2,
    ...settings,
  };
  const complete = listeners.map((listener) => ({
    name: 'in',
    listen: '127.0.0.1:0',
    mode: 'after-queue',
    ...listener,
  }));
  writeFileSync(join(directory, 'postern.yaml'), stringify({ ...common, listeners: complete }));
}

/** Whether a process is there, and is no zombie. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number).filter(isRunning);
  } catch {
    return [];
  }
}
