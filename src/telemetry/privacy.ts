// Privacy: what the log, the stories of transactions and the status page do not say of people (`log.privacy`).
import ipaddr from 'ipaddr.js';
import type { LogFields } from './log.ts';
import {
  maskAddress,
  maskAddresses,
  maskIp,
  maskIps,
  maskLocalPart,
  maskName,
  maskReversed,
  reversed,
} from './mask-text.ts';
import { folded, replaceWords, type Words } from './mask-words.ts';

/**
 * - `none`: everything is told
 * - `addresses`: of mail addresses the local part is masked, `a***@example.com`
 * - `all`: client addresses too are cut to /24 and /48, and their names and HELO to two labels
 */
export const privacies = ['none', 'addresses', 'all'] as const;
export type Privacy = (typeof privacies)[number];

/** Whom a transaction is about: texts of others may name them in other words than an address. */
export interface People {
  readonly client: { readonly ip?: string; readonly name?: string; readonly helo?: string };
  /** Addresses of the envelope. */
  readonly addresses: readonly string[];
}

/** Words that are this short stand in every text. */
const leastCharacters = 3;
/** A text is searched for so many of the envelope's local parts. */
const mostAddresses = 50;
const maxDepth = 20;
const maxCauses = 5;

/** The administrator's own: where Postern listens and where it sends to; and what checks found. */
const ownKeys: ReadonlySet<string> = new Set([
  'address',
  'destination',
  'destinations',
  'listener',
  'results',
]);
const addressKeys: ReadonlySet<string> = new Set(['from', 'to']);

/** Masks, at one level. What is masked already stays as it is. */
export class Masker {
  readonly #privacy: Privacy;

  constructor(privacy: Privacy) {
    this.#privacy = privacy;
  }

  /**
   * The fields of an event.
   *
   * @param people whom it is about, where that is known
   * @returns a copy; the fields themselves where nothing is masked
   */
  fields(fields: LogFields, people?: People): LogFields {
    if (this.#privacy === 'none') return fields;
    const words = this.#words(people);
    return Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [key, this.#field(key, value, words)]),
    );
  }

  /** Plain data in which no key says what a text is, such as the explanation of a transaction. */
  data(value: unknown, people: People): unknown {
    if (this.#privacy === 'none') return value;
    const words = this.#words(people);
    return each(value, (text) => this.#text(text, words));
  }

  #field(key: string, value: unknown, words: Words): unknown {
    if (ownKeys.has(key)) return value;
    return each(value, (text, path) => {
      const last = path.at(-1) ?? key;
      if (addressKeys.has(last)) return maskAddress(text);
      // What else is called `name` is no host: an author, a certificate.
      const host = last === 'helo' || (last === 'name' && (path.at(-2) ?? key) === 'client');
      if (this.#privacy === 'all' && host) return maskName(text);
      return ownKeys.has(last) ? text : this.#text(text, words);
    });
  }

  #text(text: string, words: Words): string {
    const known = words.size === 0 ? text : replaceWords(text, words);
    const addressless = maskAddresses(known);
    return this.#privacy === 'all' ? maskIps(addressless) : addressless;
  }

  /** What others may say instead of an address: a local part alone, a name, an address backwards. */
  #words(people: People | undefined): Words {
    const words = new Map<string, string>();
    if (!people) return words;
    for (const address of people.addresses.slice(0, mostAddresses)) {
      const at = address.lastIndexOf('@');
      const local = at < 0 ? address : address.slice(0, at);
      words.set(folded(local), maskLocalPart(local));
    }
    if (this.#privacy === 'all') {
      const { ip, name, helo } = people.client;
      for (const host of [name, helo]) {
        if (host !== undefined) words.set(folded(host), maskName(host));
      }
      if (ip !== undefined && ipaddr.isValid(ip) && maskIp(ip) !== ip)
        words.set(reversed(ip), maskReversed(ip));
    }
    for (const word of [...words.keys()]) if (word.length < leastCharacters) words.delete(word);
    return words;
  }
}

/** A copy with each text in it changed; `path` has the keys that lead to it. */
function each(
  value: unknown,
  change: (text: string, path: readonly string[]) => unknown,
  path: readonly string[] = [],
): unknown {
  if (typeof value === 'string') return change(value, path);
  if (typeof value !== 'object' || value === null) return value;
  // A loop is left to whoever writes it out, but not its texts.
  if (path.length > maxDepth) return undefined;
  if (value instanceof Error) return changedError(value, (text) => String(change(text, path)), maxCauses);
  if (Array.isArray(value)) return value.map((item) => each(item, change, path));
  if ('toJSON' in value && typeof value.toJSON === 'function')
    return each(value.toJSON(), change, [...path, '']);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, each(item, change, [...path, key])]),
  );
}

function changedError(error: Error, change: (text: string) => string, causes: number): Error {
  const changed = new Error(change(error.message || error.name));
  changed.name = error.name;
  if (error.stack !== undefined) changed.stack = change(error.stack);
  if (error.cause instanceof Error && causes > 0) {
    changed.cause = changedError(error.cause, change, causes - 1);
  }
  return changed;
}
