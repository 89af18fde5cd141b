// What memory is still held, for tests that ask whether something is let go.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects everything that nobody holds. */
export const collectGarbage = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;

/** Heap and buffers that are held when all garbage is gone, in bytes: what is resident besides says how busy the machine is. */
export function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Where V8 has neither code nor the shapes of objects. */
const dataSpaces = new Set(['new_space', 'old_space']);

/**
 * What is left of young objects after two collections that look at nothing else, which is when V8 takes them for old
 * ones. Those hold on to what they know, until they are collected themselves; in bytes.
 */
export function leftBytes(): number {
  collectGarbage({ type: 'minor' });
  collectGarbage({ type: 'minor' });
  const data = getHeapSpaceStatistics().filter(({ space_name }) => dataSpaces.has(space_name));
  return data.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
}
