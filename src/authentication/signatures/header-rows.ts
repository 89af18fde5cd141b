// Header fields in the form in which mailauth canonicalizes and selects them (RFC 6376 §3.4, §5.4.2).
import { isAscii } from '../../smtp/ascii.ts';
import type { HeaderField } from '../subject.ts';

/** A field as mailauth has it. */
export interface HeaderRow {
  /** In lower case; '' for what has no name. */
  readonly key: string;
  readonly casedKey: string;
  /** The field with its name, without its last line end; all others are CRLF. */
  readonly line: Buffer;
}

const lf = 0x0a;
const colon = 0x3a;
/** No signature names a longer one: it would not fit into a field that is looked at. */
const maxNameOctets = 1000;

/**
 * What begins a field (RFC 5322 §3.6.8): a name and a colon, with white space or one fold between them (§4.5.8).
 * Any other line goes with the field above it: that adds bytes to what is signed, and so can
 * make a signature fail, never pass.
 */
const fieldStart = /^[!-9;-~]+[ \t\r\n]*:/;

/** @returns the rows from the top, in time linear in the size of the header section */
export function headerRows(fields: readonly HeaderField[]): HeaderRow[] {
  const rows: HeaderRow[] = [];
  // From the bottom: whether a line begins a field may depend on the line after it.
  let appended: Buffer[] = [];
  for (let i = fields.length - 1; i >= 0; i--) {
    const field = fields[i];
    if (!field) continue;
    const { name, raw } = field;
    if (name === '' && i > 0 && !startsField(raw, appended.at(-1))) {
      appended.push(raw);
    } else if (appended.length === 0) {
      rows.push(new Row(raw, name));
    } else {
      rows.push(new Row(Buffer.concat([raw, ...appended.reverse()]), name));
      appended = [];
    }
  }
  return rows.reverse();
}

/** @param next the line after it, where it is none that begins a field */
function startsField(raw: Buffer, next: Buffer | undefined): boolean {
  if (raw[0] === colon || !(raw.includes(colon) || next?.includes(colon))) return false;
  return fieldStart.test(beginning(raw, next));
}

/** The first two lines, as far as they matter. */
function beginning(raw: Buffer, next: Buffer | undefined): string {
  const first = raw.indexOf(lf);
  const second = first < 0 ? -1 : raw.indexOf(lf, first + 1);
  const text = raw.toString('latin1', 0, second < 0 ? raw.length : second + 1);
  if (first >= 0 && first + 1 < raw.length) return text;
  return next ? text + next.toString('latin1', 0, Math.min(next.length, maxNameOctets)) : text;
}

/** A header section may have a hundred thousand fields, of which few are ever read. */
class Row implements HeaderRow {
  readonly key: string;
  readonly casedKey: string;
  readonly #raw: Buffer;
  #line: Buffer | undefined;

  /** @param name '' where it is not as nearly all are: with its colon on the same line */
  constructor(raw: Buffer, name: string) {
    this.#raw = raw;
    this.casedKey = name === '' ? unusualName(raw) : name;
    this.key = name === '' ? lowerCase(this.casedKey) : name.toLowerCase();
  }

  get line(): Buffer {
    const raw = this.#raw;
    this.#line ??= withoutLineEnd(hasBareLineFeed(raw) ? withLineEnds(raw) : raw);
    return this.#line;
  }
}

/** What stands before the colon, a fold removed. */
function unusualName(raw: Buffer): string {
  const end = raw.indexOf(colon);
  const name = raw.toString('latin1', 0, Math.min(end < 0 ? raw.length : end, maxNameOctets + 1));
  if (name.length > maxNameOctets) return '';
  return name.replace(/\r?\n/g, '').replace(/^[ \t]+|[ \t]+$/g, '');
}

/** A-Z alone: the name is a string of bytes. */
export function lowerCase(name: string): string {
  return isAscii(name) ? name.toLowerCase() : name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function withoutLineEnd(line: Buffer): Buffer {
  if (line.at(-1) !== lf) return line;
  return line.subarray(0, line.at(-2) === 0x0d ? -2 : -1);
}

function hasBareLineFeed(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(lf); at >= 0; at = bytes.indexOf(lf, at + 1)) {
    if (bytes[at - 1] !== 0x0d) return true;
  }
  return false;
}

function withLineEnds(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
}

/**
 * Runs of white space become one space. mailauth does the same to tag values, but looks for white space at
 * the ends of tags first, in time that grows with the square of a run's length.
 */
export function withoutRuns(line: Buffer): Buffer {
  return Buffer.from(line.toString('latin1').replace(/[ \t\r\n]+/g, ' '), 'latin1');
}
