// What a running Postern tells of itself: plain data, so that it can pass between processes and as JSON.
import type { Story, StorySummary } from './trace.ts';

/** One listener in one process. */
export interface ListenerStatus {
  readonly name: string;
  /** Where it is bound: `host:port`, `[v6]:port` or `unix:/path`. */
  readonly address: string;
  readonly mode: 'before-queue' | 'after-queue';
  /** Open connections from upstream. */
  readonly connections: number;
  readonly pool: {
    readonly size: number;
    readonly idle: number;
    readonly busy: number;
    readonly waiting: number;
    /** Connections that could not be had since the start. */
    readonly failures: number;
  };
  /** In order of failover. */
  readonly destinations: readonly string[];
  /** Whether one of the destinations answered when it was last tried. */
  readonly reachable: boolean;
}

/** Why a listener passes no mail: none of its destinations can be had. */
export function unreachable({ name, destinations }: Pick<ListenerStatus, 'name' | 'destinations'>): string {
  return `listener ${name}: no destination answers (${destinations.join(', ')})`;
}

/** One process that passes mail. */
export interface WorkerStatus {
  readonly pid: number;
  /** ISO 8601 */
  readonly startedAt: string;
  readonly listeners: readonly ListenerStatus[];
  readonly dns: {
    readonly zone: number;
    readonly cached: number;
    readonly joined: number;
    readonly network: number;
    readonly failed: number;
    /** Answers in the cache. */
    readonly entries: number;
  };
  readonly spool: { readonly memoryBytes: number; readonly diskBytes: number; readonly messages: number };
  readonly residentBytes: number;
  /** How late the event loop was, of the last seconds: milliseconds. */
  readonly eventLoop: { readonly p50: number; readonly p99: number };
}

/** Whether mail can pass. */
export interface Readiness {
  readonly ready: boolean;
  /** Why not, each in a few words. */
  readonly reasons: readonly string[];
}

/** Whoever can be asked about a running Postern: one process alone, or the supervisor of several. */
export interface Observatory {
  /** One entry for each process that passes mail. */
  status(): Promise<readonly WorkerStatus[]>;
  /** Prometheus' text format, all processes together. */
  metrics(): Promise<string>;
  readiness(): Promise<Readiness>;
  /** Newest first, of all processes; empty unless `trace.keep` says otherwise. */
  stories(): Promise<readonly StorySummary[]>;
  /** @returns undefined: there is none, or it is forgotten */
  story(id: string): Promise<Story | undefined>;
  /** Hears of each transaction that ended, from now on until the signal is aborted: the fields of its line in the log. */
  follow(hear: (record: Readonly<Record<string, unknown>>) => void, signal: AbortSignal): void;
}
