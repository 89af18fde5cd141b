// Which fields of a message must not go on as they came: those that pretend to be ours (RFC 8601 §5).
import { normalizeAuthservId, readAuthservId } from './authserv-id.ts';

/** What an administrator says about fields of others; names are compared without regard to case. */
export interface RemovalOptions {
  /** Our own names: those of all listeners. */
  readonly authservIds: readonly string[];
  /** Names of others whose fields go too, their subdomains included. */
  readonly remove: readonly string[];
  /** Names of fields that are read like Authentication-Results. */
  readonly alsoIn: readonly string[];
  /** Whether each removed one stays as X-Received-Authentication-Results. */
  readonly keepRemoved: boolean;
}

/** Names of the fields that we write ourselves. */
export interface OwnFields {
  /** Those with results; what a message has of them is judged by its authserv-id. */
  readonly results: readonly string[];
  /** All others; what a message has of them is forged. */
  readonly others: readonly string[];
}

/** What a removed field is called where it is kept. */
const keptName = 'X-Received-Authentication-Results';
/** Part of a seal of somebody else, which would be broken without it (RFC 8617 §4.1.1). */
const neverRead = 'arc-authentication-results';

const nothing = Buffer.alloc(0);
const maxLineOctets = 998;

/** Judges the fields of messages. */
export class Removal {
  readonly #authservIds: ReadonlySet<string>;
  /** Each begins with a dot, as do the names that are compared with them. */
  readonly #domains: readonly string[];
  readonly #results: ReadonlySet<string>;
  readonly #forged: ReadonlySet<string>;
  readonly #keepRemoved: boolean;
  /** Of all names that are looked for. */
  readonly #shortest: number;

  constructor({ authservIds, remove, alsoIn, keepRemoved }: RemovalOptions, own: OwnFields) {
    this.#authservIds = new Set(authservIds.map(normalizeAuthservId));
    this.#domains = remove.map((domain) => `.${normalizeAuthservId(domain)}`);
    this.#results = lowerCase('Authentication-Results', ...alsoIn, ...own.results);
    // What came from outside under the name that says "we removed this" is none of what we removed.
    this.#forged = lowerCase(...own.others, ...(keepRemoved ? [keptName] : []));
    this.#keepRemoved = keepRemoved;
    this.#shortest = Math.min(...[...this.#results, ...this.#forged].map(({ length }) => length));
  }

  /**
   * What stands in a field's place downstream.
   *
   * @param raw the field's bytes with its name
   * @returns undefined: the field as it is; an empty buffer: nothing
   */
  rewrite(raw: Buffer): Buffer | undefined {
    const colon = raw.indexOf(0x3a);
    // Names only get shorter when they are read: a header section of a megabyte of tiny fields is no work.
    if (colon < this.#shortest) return undefined;
    const name = readName(raw.subarray(0, colon));
    if (name === neverRead) return undefined;
    if (this.#forged.has(name)) return nothing;
    const body = raw.subarray(colon + 1);
    if (!this.#results.has(name) || !this.#goes(body)) return undefined;
    return this.#keepRemoved ? kept(body) : nothing;
  }

  #goes(body: Buffer): boolean {
    const id = readAuthservId(body.toString('latin1'));
    if (id === undefined || this.#authservIds.has(id)) return true;
    return this.#domains.some((domain) => `.${id}`.endsWith(domain));
  }
}

/**
 * As the most lenient of all readers would read it: RFC 5322 §4.5 has white space before the colon,
 * and what else is invisible may not count for somebody either.
 */
function readName(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[^\x21-\x7e]+/g, '')
    .toLowerCase();
}

/** The body under another name; that being longer, the first line may have to be folded. */
function kept(body: Buffer): Buffer {
  const line = (/^[^\r\n]*/.exec(body.toString('latin1'))?.[0] ?? '').trimEnd();
  const long = line !== '' && keptName.length + 1 + line.length > maxLineOctets;
  const fold = long ? `\r\n${/^[ \t]/.test(line) ? '' : ' '}` : '';
  return Buffer.concat([Buffer.from(`${keptName}:${fold}`), body]);
}

function lowerCase(...names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()));
}
