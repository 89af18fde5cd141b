// What a process holds on to: nothing may be left behind by a run.
import { type AsyncHook, createHook } from 'node:async_hooks';
import { readdirSync, readlinkSync } from 'node:fs';

/** How long what is closed may take to be gone. */
const settleMs = 3000;
/** They are looked for in ways of their own, and come and go. */
const notCounted: ReadonlySet<string> = new Set(['Timeout', 'Immediate']);
/** Node.js holds the timer of such a signal weakly: it keeps nothing, and is over by itself. */
const weakTimer = /AbortSignal\.timeout/;

/** Watches what this process holds from now on; `using` ends the watch. */
export class Watch implements Disposable {
  /** Warnings of what is likely a leak. */
  readonly warnings: string[] = [];
  /** Sockets, requests and whatever else node:process names, with their number. */
  readonly #active = active();
  readonly #descriptors = openFiles().length;
  /** Timers that were made since and are not over, with where: those too that keep no process alive. */
  readonly #timers = new Map<number, Error>();
  readonly #hook: AsyncHook;

  constructor() {
    this.#hook = createHook({
      init: (id, type) => {
        if (type === 'Timeout') this.#timers.set(id, new Error());
      },
      destroy: (id) => {
        this.#timers.delete(id);
      },
      trackPromises: false,
    }).enable();
    process.on('warning', this.#hear);
  }

  /**
   * Waits until there is no more than before.
   *
   * @returns what is left, where that does not come to pass
   */
  async leftBehind(): Promise<readonly string[]> {
    return whatStays(async () => {
      // Of a timer that has fired it is told a turn later.
      await new Promise((resolve) => setImmediate(resolve));
      return this.#left();
    }, settleMs);
  }

  [Symbol.dispose](): void {
    this.#hook.disable();
    process.off('warning', this.#hear);
  }

  #left(): readonly string[] {
    const left = [...active()]
      .filter(([name, count]) => count > (this.#active.get(name) ?? 0))
      .map(([name, count]) => `${name}: ${count}, before ${this.#active.get(name) ?? 0}`);
    for (const { stack = '' } of this.#timers.values()) {
      if (!weakTimer.test(stack)) left.push(`a timer, made${callers(stack)}`);
    }
    const open = openFiles();
    if (open.length > this.#descriptors)
      left.push(`descriptors: ${open.length}, before ${this.#descriptors} (${open.slice(-10).join(' ')})`);
    return left;
  }

  readonly #hear = (warning: Error): void => {
    if (warning.name === 'MaxListenersExceededWarning') this.warnings.push(warning.message);
  };
}

/**
 * Waits until nothing is left, but not for ever.
 *
 * @returns what stays
 */
export async function whatStays(
  left: () => readonly string[] | Promise<readonly string[]>,
  patienceMs: number,
): Promise<readonly string[]> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const still = await left();
    if (still.length === 0 || performance.now() > deadline) return still;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What a process has open, but for the spare descriptor that libuv opens with the first socket. */
export function openFiles(pid: number | 'self' = 'self'): readonly string[] {
  const paths = readdirSync(`/proc/${pid}/fd`).map((descriptor) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
    } catch {
      // It was closed meanwhile.
      return '';
    }
  });
  return paths.filter((path) => path !== '/dev/null');
}

/** Files of a spool that a process has open; they have no names. */
export function spoolFiles(directory: string, pid?: number): readonly string[] {
  return openFiles(pid).filter((path) => path.startsWith(`${directory}/`));
}

function active(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) {
    if (!notCounted.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Where in our files something was called, innermost first. */
function callers(stack: string): string {
  const lines = stack.split('\n').filter((line) => line.includes('file:') || line.includes('/node_modules/'));
  return lines
    .slice(1, 4)
    .map((line) => ` ${line.trim()}`)
    .join('');
}
