// Everything that runs of the benchmark have found, and on what.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import type { Sizes } from '../series/burden.ts';
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

/** What each series finds. */
export interface Found {
  readonly goals: readonly Goal[];
  readonly memory: readonly Goal[];
  readonly sizes: Sizes;
  readonly dns: readonly DnsCell[];
  readonly matrix: readonly Cell[];
}
export type SeriesName = keyof Found;
/** In the order of the document. */
export const seriesNames = ['goals', 'memory', 'sizes', 'dns', 'matrix'] as const satisfies SeriesName[];

/** Of the series that were run, each with what it was run on: not all of them need be of the same day. */
export type Results = {
  readonly [Name in SeriesName]?: { readonly circumstances: Circumstances; readonly found: Found[Name] };
};

/** @returns what a file has of earlier runs; nothing when there is none, or none like this */
export function readResults(file: string): Results {
  if (!existsSync(file)) return {};
  const all: Record<string, unknown> = JSON.parse(readFileSync(file, 'utf8'));
  const isPart = (part: unknown) => part instanceof Object && 'circumstances' in part && 'found' in part;
  return Object.fromEntries(Object.entries(all).filter(([, part]) => isPart(part)));
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
