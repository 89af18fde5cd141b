// What processes have used, by their own accounting in /proc (Linux).
import { readFileSync } from 'node:fs';

/** Of `sysconf(_SC_CLK_TCK)`, which is 100 wherever Node.js runs. */
const ticksPerSecond = 100;

/** @returns the process and all that come from it */
export function family(pid: number): readonly number[] {
  const children = read(pid, `task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(family)];
}

/** @returns milliseconds of processor time, user and system, of a process with all its threads */
export function cpuMs(pid: number): number {
  // The name, which is in parentheses, may have spaces: utime and stime are the 12th and 13th behind it.
  const fields = read(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ');
  return ((Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 1000) / ticksPerSecond;
}

/** @returns bytes of resident memory */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(pid, 'status'))?.[1] ?? 0) * 1024;
}

/** Of a process that has ended, nothing. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
