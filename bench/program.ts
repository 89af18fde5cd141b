// What the programs of measurement have in common: their options, and the file with what they found.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * What the command line asks for.
 *
 * @param read throws for what is not an option or not possible
 * @returns undefined: all has been said already, the exit status with it
 */
export function chosenOptions<Options>(
  read: (args: readonly string[]) => Options,
  usage: string,
): Options | undefined {
  const args = process.argv.slice(2);
  try {
    if (!args.includes('--help')) return read(args);
    console.log(usage);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 64;
  }
  return undefined;
}

/** Writes results as JSON, in a directory that need not be there. */
export function writeResults(file: string, results: unknown): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
}
