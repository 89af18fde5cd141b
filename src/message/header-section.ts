// The header section: captured while the message arrives, then cut into fields (RFC 5322 §2.1, §2.2).

const lf = 0x0a;
const cr = 0x0d;
const nothing = Buffer.alloc(0);
const [space, tab, colon] = [0x20, 0x09, 0x3a];
/** No name of use is longer than a line may be. */
const maxNameOctets = 1000;

/**
 * Fields, and lines that are none, in a header section: no mail has a tenth of that. Each is an object or two
 * for as long as the transaction lasts, which take sixty times the memory of its bytes where it is short.
 */
export const maxFields = 10_000;

/** One field of a header section. */
export interface HeaderField {
  /** As sent, without what follows it before the colon; '' for a line that is no field. */
  readonly name: string;
  /** All bytes of the field: name, folding, line end. */
  readonly raw: Buffer;
}

export interface HeaderSection {
  /** In the order of the message. Their `raw` one after another is the section, byte for byte. */
  readonly fields: readonly HeaderField[];
  /** All of it, without the empty line that ends it. */
  readonly raw: Buffer;
  /** Bytes it takes in the message: there the empty line and the body begin. */
  readonly sizeBytes: number;
}

/** Where in a line the next byte stands. */
type Position = 'start' | 'after CR at start' | 'inside';

/**
 * Captures the bytes before the empty line that ends the header section, however they are cut.
 *
 * An empty line is CRLF or LF right after the end of a line, or at the start of the message: bare LF
 * reaches this place only where a listener passes it on, and downstream may then read it as a line end.
 */
export class HeaderCollector {
  readonly #limitBytes: number;
  #bytes: Buffer = nothing;
  #length = 0;
  #position: Position = 'start';
  #fields = 0;
  #complete = false;
  #overLimit: string | undefined;
  #section: HeaderSection | undefined;

  /** @param limitBytes how large a header section may be */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Whether the empty line has been seen. */
  get complete(): boolean {
    return this.#complete;
  }

  /** What the section has more of than it may, such as `10000 fields`; what exceeds it is not kept. */
  get overLimit(): string | undefined {
    return this.#overLimit;
  }

  /**
   * Takes the next bytes of the message; those after the header section are ignored.
   *
   * @returns how many of them belong to the header section or to the empty line after it
   */
  push(chunk: Buffer): number {
    if (this.#complete) return 0;
    if (this.#overLimit) return chunk.length;
    const end = this.#find(chunk);
    // A CR that begins the last line may turn out to be half of the empty line: it is kept, not counted.
    const undecided = this.#position === 'after CR at start' && !this.#complete ? 1 : 0;
    const length = this.#length + end;
    if (this.#fields > maxFields) this.#overLimit = `${maxFields} fields`;
    if (length - undecided > this.#limitBytes) this.#overLimit = `${this.#limitBytes} bytes`;
    if (this.#overLimit) this.#complete = false;
    const kept = this.#overLimit ? Math.min(length, this.#limitBytes) : length;
    if (kept > this.#length) this.#store(chunk.subarray(0, kept - this.#length));
    this.#length = kept;
    return this.#complete ? chunk.indexOf(lf, Math.max(0, end)) + 1 : chunk.length;
  }

  /** Where in this chunk the section ends; -1 when its last byte was the CR before this chunk. */
  #find(chunk: Buffer): number {
    for (let i = 0; i < chunk.length; ) {
      if (this.#position === 'inside') {
        const lineEnd = chunk.indexOf(lf, i);
        if (lineEnd < 0) break;
        this.#position = 'start';
        i = lineEnd + 1;
      } else if (chunk[i] === lf) {
        this.#complete = true;
        return this.#position === 'start' ? i : i - 1;
      } else if (this.#position === 'start' && chunk[i] === cr) {
        this.#position = 'after CR at start';
        i += 1;
      } else {
        const folded = this.#position === 'start' && (chunk[i] === space || chunk[i] === tab);
        if (!folded) this.#fields++;
        this.#position = 'inside';
      }
    }
    return chunk.length;
  }

  /** Copies bytes behind those kept. */
  #store(bytes: Buffer): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      // Doubled each time: the cost stays linear however small the chunks are.
      const larger = Buffer.allocUnsafe(
        Math.min(this.#limitBytes + 1, Math.max(1024, length, 2 * this.#bytes.length)),
      );
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    bytes.copy(this.#bytes, this.#length);
  }

  /** The section, once it is complete or the message has ended. */
  section(): HeaderSection {
    if (this.#section?.sizeBytes !== this.#length) {
      this.#section = parseHeaderSection(this.#bytes.subarray(0, this.#length));
    }
    return this.#section;
  }
}

/** @param bytes a header section without the empty line that ends it */
export function parseHeaderSection(bytes: Buffer): HeaderSection {
  const fields: HeaderField[] = [];
  // Much faster to search than bytes, where a stranger makes a hundred thousand fields.
  const text = bytes.toString('latin1');
  for (let start = 0; start < bytes.length; ) {
    const end = fieldEnd(text, start);
    fields.push({ name: fieldName(text, start, end), raw: bytes.subarray(start, end) });
    start = end;
  }
  return { fields, raw: bytes, sizeBytes: bytes.length };
}

/** Where the field that begins at `start` ends: after its last line that a folded one does not follow. */
function fieldEnd(text: string, start: number): number {
  for (let from = start; ; ) {
    const lineEnd = text.indexOf('\n', from);
    if (lineEnd < 0) return text.length;
    from = lineEnd + 1;
    const next = text.charCodeAt(from);
    if (next !== space && next !== tab) return from;
  }
}

/** A name is printable ASCII without colon; white space before the colon is obsolete but seen (§4.5). */
function fieldName(text: string, start: number, fieldEnd: number): string {
  const last = Math.min(fieldEnd, start + maxNameOctets);
  let end = start;
  while (end < last && isNameOctet(text.charCodeAt(end))) end++;
  let at = end;
  while (at < last && (text.charCodeAt(at) === space || text.charCodeAt(at) === tab)) at++;
  return at < last && text.charCodeAt(at) === colon ? text.slice(start, end) : '';
}

/** Printable, and no colon. */
function isNameOctet(octet: number): boolean {
  return octet > space && octet < 0x7f && octet !== colon;
}

/** RFC 5321 §6.3: a message that has seen so many hosts is in a loop. */
export const maxReceived = 100;

/** How many hops the message has behind it (RFC 5321 §6.3 counts Received fields to find loops). */
export function countReceived(section: HeaderSection): number {
  return section.fields.filter((field) => field.name.toLowerCase() === 'received').length;
}
