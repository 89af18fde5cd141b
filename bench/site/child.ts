// A program of the benchmark that is spoken to by lines: started, asked, ended with its stdin.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Longer than anything that is asked for takes. */
const answerMs = 15 * 60_000;
const endMs = 10_000;

export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #name: string;

  /** @param program a file beside the benchmark */
  constructor(program: string, ...args: readonly string[]) {
    this.#name = program;
    this.#process = spawn(process.execPath, [new URL(`../${program}`, import.meta.url).pathname, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    // What was written to one that has ended shows in the answer that does not come.
    this.#process.stdin?.on('error', () => undefined);
    const { stdout } = this.#process;
    if (!stdout) throw new Error(`${program} has no stdout`);
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  tell(line: unknown): void {
    this.#process.stdin?.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
  }

  /** @returns the next line that it says @throws {Error} when it ends or stays silent */
  async hear<T>(): Promise<T> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), answerMs);
    try {
      const { value, done } = await Promise.race([
        this.#lines.next(),
        once(late.signal, 'abort').then(() => ({ value: undefined, done: true })),
      ]);
      if (done || value === undefined) throw new Error(`${this.#name} said nothing more`);
      return JSON.parse(value) as T;
    } finally {
      clearTimeout(timer);
    }
  }

  ask<T>(line: unknown): Promise<T> {
    this.tell(line);
    return this.hear<T>();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), endMs);
    await ended;
    clearTimeout(timer);
  }
}
