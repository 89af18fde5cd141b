// The log: one line for each event, as JSON for machines or as text for people (winston).
import type { Writable } from 'node:stream';
import winston from 'winston';

/** What an event tells besides its name; values may be anything, also errors and bigints. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where events are told. None of its functions ever throws. */
export interface Log {
  error(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
}

/** From the gravest on: a log of one level tells that level and those before it. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** A log that tells nothing. */
export const silentLog: Log = { error() {}, warn() {}, info() {}, debug() {} };

/**
 * A log.
 *
 * @param options.level what is graver or as grave is written
 * @param options.format `json`: one object per line with `time`, `level`, `event` and the fields;
 *   `text`: the same as `time LEVEL event key=value ...`
 * @param options.stream where lines go; standard output by default
 */
export function createLog(options: {
  readonly level: LogLevel;
  readonly format: 'json' | 'text';
  readonly stream?: Writable;
}): Log {
  const { level, format, stream = process.stdout } = options;
  const writeLine = format === 'json' ? jsonLine : textLine;
  const logger = winston.createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.printf((entry) => String(entry.message)),
    transports: [new winston.transports.Stream({ stream, eol: '\n' })],
  });
  const withStacks = level === 'debug';
  const tell =
    (of: LogLevel) =>
    (event: string, fields: LogFields = {}) => {
      if (!logger.isLevelEnabled(of)) return;
      // The line is made here: winston gives some field names (message, level, splat) meanings of its own.
      logger.log(of, escapeControls(writeLine(of, event, plainFields(fields, withStacks))));
    };
  return { error: tell('error'), warn: tell('warn'), info: tell('info'), debug: tell('debug') };
}

function jsonLine(level: LogLevel, event: string, fields: LogFields): string {
  // Ours come last, so that no field can pass for them, and first, so that they are read first.
  const own = { time: new Date().toISOString(), level, event };
  return JSON.stringify({ ...own, ...fields, ...own });
}

function textLine(level: LogLevel, event: string, fields: LogFields): string {
  const words = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${textWord(key)}=${textWord(value)}`);
  const parts = [new Date().toISOString(), level.toUpperCase().padEnd(5), textEvent(event), ...words];
  return parts.join(' ');
}

/** An event's name is a few words of ours; it is quoted only where it would end its line. */
function textEvent(event: string): string {
  return JSON.stringify(event).slice(1, -1);
}

/** A value as one word: plain where nothing in it could be taken for something else. */
function textWord(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=\\\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}

/** JSON leaves some controls as they are; a terminal or a line reader would act on them. */
function escapeControls(line: string): string {
  return line.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The fields as plain values that JSON can hold. */
function plainFields(fields: LogFields, withStacks: boolean): LogFields {
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

/** What an error says; where it came from only at level debug, as an object. */
function plainError(error: Error, withStack: boolean): unknown {
  const message = error.message || error.name;
  if (!withStack) return message;
  return {
    message,
    stack: error.stack,
    ...(error.cause !== undefined && { cause: error.cause }),
  };
}
