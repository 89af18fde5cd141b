// What can be chosen of the log (`log` in the configuration).
import type { LogOutput } from './log-output.ts';
import type { Privacy } from './privacy.ts';

/** From the gravest on: a log of one level tells that level and those before it. */
export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * - `json`: one object per line with `time`, `level`, `event` and the fields
 * - `text`: the same as `time LEVEL event key=value ...`
 * - `syslog`: text after a priority, `<6>event key=value ...`, for journald or `logger --prio-prefix`
 */
export const logFormats = ['json', 'text', 'syslog'] as const;
export type LogFormat = (typeof logFormats)[number];

/** How events are told. */
export interface LogOptions {
  /** What is graver or as grave is written. */
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Default: standard output. */
  readonly output?: LogOutput;
  /** Default: `none`, everything is told. */
  readonly privacy?: Privacy;
}
