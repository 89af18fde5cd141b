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

/** Writes what a command found out, and ends the program. */
export async function endWith(status: number, text: string): Promise<never> {
  const failure = await writeOut(text);
  // Who closes a pipe has seen enough; but half a report in a file says the wrong thing.
  if (!failure || failure.code === 'EPIPE') process.exit(status);
  note(`standard output: cannot be written: ${failure.message}`);
  process.exit(exits.output);
}

/** @returns why it could not be written, when it could not */
function writeOut(text: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => process.stdout.write(text, (error) => resolve(error ?? undefined)));
}
