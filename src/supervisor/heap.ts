// What V8 is told of the heaps of our processes: what a process does decides what its memory is best used for.
import { setFlagsFromString } from 'node:v8';

/**
 * For a process that has little to do and lives long. The space for young objects, which V8 lets grow to 64 MB and more
 * after hours, stays as it is: little garbage is collected often, in place of much seldom.
 */
export function keepSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * Options of a worker's command line. V8 reckons how much may come between one collection of old objects and the next by
 * what goes on: with little traffic 7 MB, the bytes of messages included, which is five collections a second for 600
 * messages. Below so many megabytes it leaves the old objects alone.
 */
export const workerOptions: readonly string[] = ['--initial-old-space-size=160'];

/**
 * For a process that does the same with each message. Optimised code depends on the shapes of the objects it handles.
 * When a collection of garbage finds no object of a shape, V8 forgets the shape and throws the code away, and most of our
 * objects live for a part of a message only: some dozen functions had to be compiled again every few seconds under load.
 * So a shape is kept for a hundred collections.
 */
export function keepCode(): void {
  setFlagsFromString('--retain-maps-for-n-gc=100');
}
