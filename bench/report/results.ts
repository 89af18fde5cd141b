// Everything that a run of the benchmark has found, and on what.
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import type { SizeCost } from '../series/burden.ts';
import type { DnsCell } from '../series/dns.ts';
import type { Goal } from '../series/goal.ts';
import type { Cell } from '../series/matrix.ts';

/** What a run was made on. */
export interface Circumstances {
  readonly date: string;
  readonly commit: string;
  readonly node: string;
  readonly machine: string;
  /** Load average when it began: what else ran. */
  readonly load: number;
}

export interface Results {
  readonly circumstances: Circumstances;
  readonly goals: readonly Goal[];
  readonly matrix: readonly Cell[];
  readonly dns: readonly DnsCell[];
  readonly sizes: readonly SizeCost[];
}

/** @param load the load average at the beginning */
export function circumstances(load: number): Circumstances {
  const [first] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit: commit(),
    node: process.version,
    machine: `${cpus().length} × ${first?.model ?? 'unknown'}, ${gigabytes} GiB, ${type()} ${release()}`,
    load,
  };
}

function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' });
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', '../../src') !== '';
    return `${git('rev-parse', '--short', 'HEAD').trim()}${changed ? ', with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}
