// How far a long piece of work has come: one line on a terminal, wiped off at the end.
import { performance } from 'node:perf_hooks';
import { printable } from './printable.ts';

/** Where the line goes, as process.stderr is. */
export interface ProgressTerminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Work that is done before nobody has to be told about; and how often the line changes. */
const patienceMs = 1000;
const everyMs = 100;

/**
 * Tells a terminal how many bytes are done, once that has taken more than a second; anything else is told nothing.
 *
 * @example const reading = new Progress('reading', process.stderr); reading.at(bytes); reading.end();
 */
export class Progress {
  readonly #label: string;
  readonly #terminal: ProgressTerminal;
  readonly #now: () => number;
  #next: number;
  #shown = false;

  /** @param now milliseconds of a clock that never goes back */
  constructor(label: string, terminal: ProgressTerminal, now: () => number = () => performance.now()) {
    this.#label = printable(label);
    this.#terminal = terminal;
    this.#now = now;
    this.#next = now() + patienceMs;
  }

  /** @param total how many bytes there are; undefined: nobody knows */
  at(bytes: number, total?: number): void {
    if (this.#terminal.isTTY !== true || this.#now() < this.#next) return;
    this.#next = this.#now() + everyMs;
    this.#shown = true;
    const part = total === undefined || total === 0 ? '' : ` of ${size(total)}, ${share(bytes, total)} %`;
    this.#terminal.write(`\r${this.#label}: ${size(bytes)}${part}\x1b[K`);
  }

  /** Wipes the line off. */
  end(): void {
    if (this.#shown) this.#terminal.write('\r\x1b[K');
    this.#shown = false;
  }
}

function share(bytes: number, total: number): string {
  return Math.floor((100 * bytes) / total).toString();
}

/** @returns such as `3.1 MiB` */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes / 1024;
  while (value >= 1024 && units.length > 1) {
    value /= 1024;
    units.shift();
  }
  return `${value.toFixed(1)} ${units[0]}`;
}
