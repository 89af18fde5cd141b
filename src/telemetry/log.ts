// The log: one line for each event, as JSON for machines or as text for people (winston).
import { hostname } from 'node:os';
import type { Writable } from 'node:stream';
import winston from 'winston';
import { lineWriter, syslogWriter } from './log-line.ts';
import type { LogLevel, LogOptions } from './log-options.ts';
import { openOutput } from './log-output.ts';
import { Masker } from './privacy.ts';
import type { FileOwner } from './rights.ts';

/** What an event tells besides its name; values may be anything, also errors and bigints. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where events are told. None of its functions ever throws. */
export interface Log {
  error(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
}

/** Tells one event, at a level that only whoever tells it knows. */
export type WriteEvent = (level: LogLevel, event: string, fields: LogFields) => void;

/** A log with an output of its own. */
export interface OpenLog extends Log {
  /** What was told still goes out; what is told afterwards does not. */
  close(): void;
}

/** How and where a log tells. */
export interface OpenLogOptions extends LogOptions {
  /** Where lines go instead of the output. */
  readonly stream?: Writable;
  /** Whose the output's file is, when root makes it for others. Default: who we are. */
  readonly owner?: FileOwner;
}

/** A log that tells nothing. */
export const silentLog: Log = { error() {}, warn() {}, info() {}, debug() {} };

/**
 * What went wrong, for the line of a mistake in our code or in a check of the administrator's: its text alone, which is
 * what lines below level debug have of an error, would not say where to look.
 */
export function mistake(error: unknown): LogFields {
  return { error, stack: error instanceof Error ? error.stack : undefined };
}

/** What may wait to be written, in bytes: from the first on what an administrator can do without is dropped, from the second on everything. */
const fewWaitBytes = 1024 * 1024;
const mostWaitBytes = 4 * 1024 * 1024;

/**
 * A log. Nobody ever waits for it: where its output does not take lines as fast as they come, they are
 * dropped and counted, those of warnings last.
 */
export function createLog(options: OpenLogOptions): OpenLog {
  const { level, format, output = { kind: 'stdout' }, owner } = options;
  const { stream, close } = options.stream
    ? { stream: options.stream, close: () => undefined }
    : openOutput(output, (text) => process.stderr.write(text), owner);
  const writeLine = output.kind === 'syslog' ? syslogWriter(format, hostname()) : lineWriter(format);
  const masker = new Masker(options.privacy ?? 'none');
  const logger = winston.createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.printf((entry) => String(entry.message)),
    transports: [new winston.transports.Stream({ stream, eol: '\n' })],
  });
  const withStacks = level === 'debug';
  let dropped = 0;
  const tell = (of: LogLevel) => {
    const mostWaiting = of === 'error' || of === 'warn' ? mostWaitBytes : fewWaitBytes;
    // The line is made here: winston gives some field names (message, level, splat) meanings of its own.
    const write = (at: LogLevel, event: string, fields: LogFields) =>
      logger.log(at, writeLine(at, event, masked(masker, plainFields(fields, withStacks))));
    return (event: string, fields: LogFields = {}) => {
      if (!logger.isLevelEnabled(of)) return;
      if (stream.writableLength > mostWaiting) {
        dropped += 1;
        return;
      }
      if (dropped > 0 && stream.writableLength < fewWaitBytes) {
        const lines = dropped;
        dropped = 0;
        if (logger.isLevelEnabled('warn')) write('warn', 'log lines dropped', { lines });
      }
      write(of, event, fields);
    };
  };
  return {
    error: tell('error'),
    warn: tell('warn'),
    info: tell('info'),
    debug: tell('debug'),
    close: () => {
      logger.silent = true;
      logger.close();
      close();
    },
  };
}

/** What cannot be masked is not told. */
function masked(masker: Masker, fields: LogFields): LogFields {
  try {
    return masker.fields(fields);
  } catch (error) {
    return { unreadable: error instanceof Error ? error.name : 'error' };
  }
}

/** The fields as plain values that JSON can hold. */
function plainFields(fields: LogFields, withStacks: boolean): LogFields {
  if (isPlain(fields, 0)) return fields;
  try {
    const text = JSON.stringify(fields, (_, value: unknown) => {
      if (typeof value === 'bigint') return value.toString();
      return value instanceof Error ? plainError(value, withStacks) : value;
    });
    return JSON.parse(text) as LogFields;
  } catch (error) {
    // A loop in the values, or a toJSON that throws: the event itself must still be told.
    return { unreadable: error instanceof Error ? error.message : String(error) };
  }
}

/** Deeper values, which may be loops, are looked at by JSON. */
const mostDepth = 8;

/** Whether JSON holds the value as it is: nearly all are so, and need not be copied to find out. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth === mostDepth) return false;
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const item of Object.values(value)) if (!isPlain(item, depth + 1)) return false;
  return true;
}

/** What an error says, unless it has a `toJSON` that does; where it came from only at level debug, as an object. */
function plainError(error: Error, withStack: boolean): unknown {
  const message = error.message || error.name;
  if (!withStack) return message;
  return {
    message,
    stack: error.stack,
    ...(error.cause !== undefined && { cause: error.cause }),
  };
}
