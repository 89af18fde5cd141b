// What commands have in common: options that repeat, and what goes to which output.
import { exits } from '../exits.ts';

/** An option that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** A line on standard error. */
export function note(text: string): void {
  process.stderr.write(`postern: ${text}\n`);
}

/** Why something could not be written: the stream itself knows it for a moment only. */
let failure: Error | undefined;
process.stdout.on('error', (error) => {
  failure ??= error;
});

/** Writes what a command found out, and ends the program. */
export async function endWith(status: number, text: string): Promise<never> {
  const error = await new Promise<Error | null | undefined>((resolve) => process.stdout.write(text, resolve));
  failure ??= error ?? undefined;
  return end(status);
}

/** Ends the program after what it has written already. */
export function end(status: number): never {
  const why: NodeJS.ErrnoException | null = failure ?? process.stdout.errored;
  // Who closes a pipe has seen enough; but half a report in a file says the wrong thing.
  if (!why || why.code === 'EPIPE') process.exit(status);
  note(`standard output: cannot be written: ${why.message}`);
  process.exit(exits.output);
}
