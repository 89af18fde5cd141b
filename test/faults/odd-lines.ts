// Lines of upstream's that do not belong where they are said, and what is said to them.
import { garbage, type UpstreamFault } from './faults.ts';
import type { Random } from './random.ts';

const endless = 'x'.repeat(1_000_000);

/** @returns none: the fault is not one of lines */
export function oddLines(fault: UpstreamFault, protocol: 'smtp' | 'lmtp', random: Random): readonly string[] {
  const hello = protocol === 'lmtp' ? 'LHLO' : 'EHLO';
  if (fault === 'endless') return [endless];
  if (fault === 'extra') return [random.pick(['NOOP', 'RSET', `${hello} again.example`, 'DATA x', 'VRFY a'])];
  return fault === 'garbage' ? garbageLines(random) : [];
}

/**
 * Lines that are pipelined behind the final dot.
 *
 * @returns each with the class of its reply
 */
export function linesBehind(
  fault: UpstreamFault | undefined,
  random: Random,
): readonly [string, '2' | '5'][] {
  if (fault === 'quit' || fault === 'farewell') return [['QUIT', '2']];
  if (fault === 'extra' || fault === 'slow') return [['NOOP', '2']];
  if (fault === 'endless') return [[endless, '5']];
  return fault === 'garbage' ? garbageLines(random).map((line) => [line, '5']) : [];
}

function garbageLines(random: Random): readonly string[] {
  return random
    .pick([garbage[0], ...garbage])
    .replace(/\r\n$/, '')
    .split('\r\n');
}
