// How the programs of the benchmark are spoken to: one JSON value per line on stdin and stdout.
import { createInterface } from 'node:readline';

/** One line on stdout. */
export function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** The lines of stdin, without the empty ones, until its end. */
export async function* heard(): AsyncGenerator<string> {
  for await (const line of createInterface({ input: process.stdin }))
    if (line.trim() !== '') yield line.trim();
}
