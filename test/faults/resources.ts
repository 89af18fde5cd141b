// What a process holds on to: nothing may be left behind by a run.
import { type AsyncHook, createHook } from 'node:async_hooks';
import { EventEmitter, getEventListeners } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { collectGarbage } from '../support/garbage.ts';

/** How long what is closed may take to be gone. */
const settleMs = 3000;
/** They are looked for in ways of their own, and come and go. */
const notCounted: ReadonlySet<string> = new Set(['Timeout', 'Immediate']);
/** Node.js holds the timer of such a signal weakly: it keeps nothing, and is over by itself. */
const weakTimer = /AbortSignal\.timeout/;
/** What one event of an emitter needs at most: who adds one with each transaction is seen after a few. */
const mostListeners = 3;
const usualListeners = EventEmitter.defaultMaxListeners;

type AddListener = AbortSignal['addEventListener'];
const addListener: AddListener = EventTarget.prototype.addEventListener;

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
  /** Signals that somebody has listened to since, with where that was last. */
  readonly #signals = new Map<WeakRef<AbortSignal>, Error>();
  readonly #references = new WeakMap<AbortSignal, WeakRef<AbortSignal>>();
  readonly #ofProcess: ReadonlyMap<string, number>;

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
    EventEmitter.defaultMaxListeners = mostListeners;
    this.#ofProcess = processListeners();
    const listened = (signal: AbortSignal) => this.#listened(signal);
    // Node.js warns of many listeners at one emitter, not at one signal.
    AbortSignal.prototype.addEventListener = function (...given: Parameters<AddListener>) {
      listened(this);
      Reflect.apply(addListener, this, given);
    };
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

  /**
   * Waits until nobody listens to a signal that is alive and may still abort.
   *
   * @returns the signals that are listened to, where that does not come to pass
   */
  async listenedTo(): Promise<readonly string[]> {
    return whatStays(() => {
      collectGarbage();
      return [...this.#signals].flatMap(([reference, { stack = '' }]) => {
        const signal = reference.deref();
        if (!signal) this.#signals.delete(reference);
        if (!signal || signal.aborted) return [];
        const count = getEventListeners(signal, 'abort').length;
        return count > 0 ? [`${count} listeners of a signal, the last added${callers(stack)}`] : [];
      });
    }, settleMs);
  }

  [Symbol.dispose](): void {
    Reflect.deleteProperty(AbortSignal.prototype, 'addEventListener');
    this.#hook.disable();
    process.off('warning', this.#hear);
    EventEmitter.defaultMaxListeners = usualListeners;
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
    for (const [name, count] of processListeners()) {
      const before = this.#ofProcess.get(name) ?? 0;
      if (count > before) left.push(`listeners of the process for ${name}: ${count}, before ${before}`);
    }
    return left;
  }

  #listened(signal: AbortSignal): void {
    const reference = this.#references.get(signal) ?? new WeakRef(signal);
    this.#references.set(signal, reference);
    this.#signals.set(reference, new Error());
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

function processListeners(): ReadonlyMap<string, number> {
  return new Map(process.eventNames().map((name) => [String(name), process.listenerCount(name)]));
}

function active(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) {
    if (!notCounted.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Where in our files something was called, innermost first; that it was watched is no news. */
function callers(stack: string): string {
  const lines = stack
    .split('\n')
    .filter((line) => line.includes('file:') || line.includes('/node_modules/'))
    .filter((line) => !line.includes(import.meta.url));
  return lines
    .slice(0, 3)
    .map((line) => ` ${line.trim()}`)
    .join('');
}
