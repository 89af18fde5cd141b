// What memory is still held, for tests that ask whether something is let go.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects everything that nobody holds. */
export const collectGarbage = runInNewContext('gc') as () => void;

/** Heap and buffers that are held when all garbage is gone, in bytes: what is resident besides says how busy the machine is. */
export function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
