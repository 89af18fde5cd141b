// What the programs of measurement have in common: their options, their end, and the file with what they found.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
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

/** SIGINT and SIGTERM end the program as any end does: without this nobody would be told. */
export function endOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
}

/** Whatever ends this program ends that process too, which would go on by itself for ever. */
export function endWithUs(child: ChildProcess): void {
  const end = () => child.kill('SIGTERM');
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
}

/** Writes results as JSON, in a directory that need not be there. */
export function writeResults(file: string, results: unknown): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
}
