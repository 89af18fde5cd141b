// A place for one test file: temporary directories and server processes that never outlive it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './wait.ts';

/** How long a server gets to end after SIGTERM. */
const STOP_LIMIT_MS = 5_000;

/** A server running in the foreground as a child of the test. */
export interface Daemon {
  /** Everything it wrote to standard output and standard error. */
  output(): string;
  /** Whether it runs. */
  running(): boolean;
  /** Ends it and waits until it is gone; harmless when it is gone already. */
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
const directories = new Set<string>();

// What is left when the process ends without having closed its sites: a test that threw, ran out of time, or was
// interrupted.
process.once('exit', () => {
  for (const child of running) child.kill('SIGTERM');
  for (const directory of directories) removeDirectory(directory);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

/** Owner of what a test file starts; everything goes, newest first, when it is disposed of. */
export class Site implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();

  /**
   * Makes a new temporary directory that daemons with users of their own can enter.
   *
   * @param name what it is for, part of its name
   * @returns its absolute path
   */
  directory(name: string): string {
    const directory = mkdtempSync(join(tmpdir(), `postern-${name}-`));
    directories.add(directory);
    chmodSync(directory, 0o755);
    this.#stack.defer(() => {
      removeDirectory(directory);
      directories.delete(directory);
    });
    return directory;
  }

  /** Starts a program that stays in the foreground. */
  start(
    program: string,
    parameters: readonly string[],
    environment: NodeJS.ProcessEnv = process.env,
  ): Daemon {
    const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
    running.add(child);
    let output = '';
    const collect = (piece: Buffer): void => {
      output += piece.toString('latin1');
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => collect(Buffer.from(`${error}\n`)));
    child.once('exit', () => running.delete(child));
    const daemon: Daemon = {
      output: () => output,
      running: () => child.pid !== undefined && child.exitCode === null && child.signalCode === null,
      stop: () => stop(child),
    };
    this.#stack.defer(() => daemon.stop());
    return daemon;
  }

  /** Takes on something else that must go with the rest. */
  own(disposable: AsyncDisposable): void {
    this.#stack.use(disposable);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/**
 * Waits until a daemon is ready, and fails at once when it ended instead.
 *
 * @param log what to show when it does not get ready
 */
export async function untilReady(
  name: string,
  daemon: Daemon,
  probe: () => boolean | Promise<boolean>,
  log: () => string = daemon.output,
): Promise<void> {
  await eventually(
    `${name} to be ready`,
    async () => {
      if (!daemon.running())
        throw new Error(`${name} ended instead of getting ready\n${daemon.output()}${log()}`);
      return probe();
    },
    { state: () => daemon.output() + log() },
  );
}

/**
 * Starts a daemon that can be restarted.
 *
 * @param start starts it, and waits until it is ready
 * @returns stops it, and starts it again
 */
export async function startRestartable(start: () => Promise<Daemon>): Promise<() => Promise<void>> {
  let daemon = await start();
  return async () => {
    await daemon.stop();
    daemon = await start();
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const hurry = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await gone;
  clearTimeout(hurry);
}

function removeDirectory(directory: string): void {
  // A daemon's last child may still be closing its files.
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}
