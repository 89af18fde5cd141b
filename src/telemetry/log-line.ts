// One event as one line of the log: JSON, text or with a syslog priority; never two lines, never an endless one.
import type { LogFields } from './log.ts';
import type { LogFormat, LogLevel } from './log-options.ts';
import { eventText } from './log-text.ts';

/** Longest line in bytes: syslog servers, journald and log collectors cut longer ones at places of their own. */
export const maxLineBytes = 8192;

/** Severities of RFC 5424 §6.2.1. */
const severities: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** How one event becomes a line without its line end. */
export type LineWriter = (level: LogLevel, event: string, fields: LogFields) => string;

/** The line's writer for a format. */
export function lineWriter(format: LogFormat): LineWriter {
  return bounded(writers[format]);
}

/** Facility `mail` of RFC 5424 §6.2.1. */
const facility = 2;

/**
 * The line's writer for a syslog server: RFC 5424 §6, with the event's name as MSGID.
 *
 * @param format `json`: the message is an object; else it is text
 * @param hostname of this machine
 */
export function syslogWriter(format: LogFormat, hostname: string): LineWriter {
  return bounded((level, event, fields) => {
    const priority = facility * 8 + severities[level];
    const messageId = event.replace(/[^!-~]+/g, '-').slice(0, 32);
    const header = `<${priority}>1 ${new Date().toISOString()} ${field(hostname)} postern ${process.pid} ${messageId} -`;
    return `${header} ${format === 'json' ? jsonLine(level, event, fields) : eventText(event, fields)}`;
  });
}

/** PRINTUSASCII of at most 255 characters, or nothing. */
function field(text: string): string {
  return /^[!-~]{1,255}$/.test(text) ? text : '-';
}

const writers: Readonly<Record<LogFormat, LineWriter>> = {
  json: jsonLine,
  text: (level, event, fields) =>
    `${new Date().toISOString()} ${level.toUpperCase().padEnd(5)} ${eventText(event, fields)}`,
  // As sd-daemon(3) and logger(1) --prio-prefix read it: the time is theirs to write.
  syslog: (level, event, fields) => `<${severities[level]}>${eventText(event, fields)}`,
};

function jsonLine(level: LogLevel, event: string, fields: LogFields): string {
  // Ours come last, so that no field can pass for them, and first, so that they are read first.
  const own = { time: new Date().toISOString(), level, event };
  return JSON.stringify({ ...own, ...fields, ...own });
}

/** What a value may take, in steps, until the line fits. */
const steps = [
  { characters: 1000, items: 50 },
  { characters: 250, items: 20 },
  { characters: 60, items: 8 },
] as const;

function bounded(write: LineWriter): LineWriter {
  return (level, event, fields) => {
    const line = escapeControls(write(level, event, fields));
    if (fits(line)) return line;
    for (const step of steps) {
      const shorter = escapeControls(write(level, event, { ...shorten(fields, step), shortened: true }));
      if (fits(shorter)) return shorter;
    }
    return escapeControls(write(level, event.slice(0, 100), { shortened: true }));
  };
}

function fits(line: string): boolean {
  return line.length * 3 <= maxLineBytes || Buffer.byteLength(line) <= maxLineBytes;
}

interface Step {
  readonly characters: number;
  readonly items: number;
}

function shorten(fields: LogFields, step: Step): LogFields {
  return shortened(fields, step) as LogFields;
}

function shortened(value: unknown, step: Step): unknown {
  if (typeof value === 'string')
    return value.length > step.characters ? `${value.slice(0, step.characters)}...` : value;
  if (Array.isArray(value)) return value.slice(0, step.items).map((item) => shortened(item, step));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).slice(0, step.items);
  return Object.fromEntries(
    entries.map(([key, item]) => [key.slice(0, step.characters), shortened(item, step)]),
  );
}

/** JSON leaves some controls as they are; a terminal or a line reader would act on them, or turn the line round. */
function escapeControls(line: string): string {
  return line.replace(
    // \p{Cc} and \p{Bidi_Control}, which by name would take ten times as long.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
