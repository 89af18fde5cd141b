// The command `postern top`: looks again and again, and shows it on the whole screen or in lines.
import { setTimeout as wait } from 'node:timers/promises';
import { printable } from '../printable.ts';
import { AskError, look, type Site, type View } from './ask.ts';
import { type ScreenLine, screen, summaryLine } from './screen.ts';
import { type Keys, type Screen, Terminal } from './terminal.ts';

export interface TopOptions extends Site {
  readonly intervalMs: number;
  /** Whether the screen can show colours. */
  readonly colours: boolean;
}

/** One look, all of it. @throws {AskError} */
export async function lookOnce(site: Site, columns: number, signal: AbortSignal): Promise<string> {
  const view = await look(site, signal);
  return screen(view, site.url.host, { columns })
    .map(({ text }) => `${text}\n`)
    .join('');
}

/**
 * One line for each look, until the signal is aborted.
 *
 * @throws {AskError} when the first look fails; later ones may
 */
export async function followInLines(
  options: TopOptions,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await untilAborted(signal, async () => {
    write(`${summaryLine(await look(options, signal))}\n`);
    for (;;) {
      await wait(options.intervalMs, undefined, { signal });
      const line = await look(options, signal).then(summaryLine, trouble);
      signal.throwIfAborted();
      write(`${line}\n`);
    }
  });
}

/**
 * The whole screen, until the signal is aborted or somebody quits.
 *
 * @throws {AskError} when the first look fails, before the screen is touched
 */
export async function followOnScreen(
  options: TopOptions,
  output: Screen,
  keys: Keys,
  signal: AbortSignal,
): Promise<void> {
  const quitting = new AbortController();
  const ended = AbortSignal.any([signal, quitting.signal]);
  await untilAborted(ended, async () => {
    let view = await look(options, ended);
    let failure: string | undefined;
    const draw = () => terminal.show(frame(view, failure, options, terminal));
    const terminal = new Terminal(output, keys, {
      colours: options.colours,
      resize: () => draw(),
      quit: () => quitting.abort(),
    });
    try {
      for (;;) {
        draw();
        await wait(options.intervalMs, undefined, { signal: ended });
        try {
          view = await look(options, ended);
          failure = undefined;
        } catch (error) {
          failure = trouble(error);
        }
      }
    } finally {
      terminal.close();
    }
  });
}

/** The last view stays, with what is wrong above it. */
function frame(
  view: View,
  failure: string | undefined,
  { url }: Site,
  { columns, lines }: Terminal,
): ScreenLine[] {
  if (failure === undefined) return screen(view, url.host, { columns, lines });
  const line: ScreenLine = { text: printable(failure).slice(0, columns), style: 'bad' };
  return [line, ...screen(view, url.host, { columns, lines: lines - 1 })];
}

/** @throws what is no failure to ask */
function trouble(error: unknown): string {
  if (error instanceof AskError) return `! ${printable(error.message)}`;
  throw error;
}

/** The end by a signal is a good one. */
async function untilAborted(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
