// The static zone: names that are answered before the network is asked (tests, the demo, overrides).
import { isIPv4, isIPv6 } from 'node:net';

/** How a question of the zone fails, as the error codes of node:dns. */
export type ZoneFailure = 'ENOTFOUND' | 'ESERVFAIL' | 'ETIMEOUT';

/** The name and preference of an MX record (RFC 5321 §5). */
export interface MailExchange {
  readonly exchange: string;
  readonly priority: number;
}

/** The answer to a question, in the form of `dns.promises.resolve`. TXT: a list of strings for each record. */
export type Answer = readonly string[] | readonly (readonly string[])[] | readonly MailExchange[];

/** What the zone holds for one name: record type in upper case → answer or failure. */
export type ZoneRecords = ReadonlyMap<string, Answer | ZoneFailure>;

/** Name in lower case, without a final dot → its records. */
export type Zone = ReadonlyMap<string, ZoneRecords>;

/** How a record type's value is written; a string is the description for mistakes. */
const recordTypes: Readonly<Record<string, { readonly expected: string; read(value: string): unknown }>> = {
  A: { expected: 'an IPv4 address', read: (value) => (isIPv4(value) ? value : undefined) },
  AAAA: { expected: 'an IPv6 address', read: (value) => (isIPv6(value) ? value : undefined) },
  CNAME: { expected: 'a name', read: readName },
  MX: { expected: 'a preference and a name such as "10 mx.example.com"', read: readMailExchange },
  PTR: { expected: 'a name', read: readName },
  TXT: { expected: 'a text', read: (value) => [value] },
};

const failures: Readonly<Record<string, ZoneFailure>> = {
  NXDOMAIN: 'ENOTFOUND',
  SERVFAIL: 'ESERVFAIL',
  TIMEOUT: 'ETIMEOUT',
};

/**
 * Names in the form that is compared: case does not matter (RFC 4343), a final dot neither.
 */
export function normalizeName(name: string): string {
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
}

/**
 * Reads a zone.
 *
 * @param value what the YAML parser made of the file: name → type → list of values, or one of
 *   NXDOMAIN, SERVFAIL and TIMEOUT; an empty file is an empty zone
 * @returns the zone, or its mistakes, each with its key path
 */
export function parseZone(value: unknown): Zone | string[] {
  if (value === null || value === undefined) return new Map();
  if (!isMapping(value)) return ['a zone is a mapping of names to records'];
  const mistakes: string[] = [];
  const zone = new Map<string, ZoneRecords>();
  for (const [name, records] of Object.entries(value)) {
    const key = normalizeName(name);
    if (readName(name) === undefined) mistakes.push(`${name}: not a name`);
    else if (zone.has(key)) mistakes.push(`${name}: listed twice (case and a final dot do not matter)`);
    else if (!isMapping(records)) mistakes.push(`${name}: expected a mapping of record types to values`);
    else zone.set(key, parseRecords(name, records, mistakes));
  }
  return mistakes.length > 0 ? mistakes : zone;
}

function parseRecords(name: string, records: object, mistakes: string[]): ZoneRecords {
  const parsed = new Map<string, Answer | ZoneFailure>();
  for (const [type, values] of Object.entries(records)) {
    const path = `${name}.${type}`;
    const rule = Object.hasOwn(recordTypes, type) ? recordTypes[type] : undefined;
    if (!rule) {
      mistakes.push(`${path}: expected one of ${Object.keys(recordTypes).join(', ')}`);
      continue;
    }
    if (typeof values === 'string' && Object.hasOwn(failures, values)) {
      parsed.set(type, failures[values] ?? 'ESERVFAIL');
      continue;
    }
    if (!Array.isArray(values) || values.length === 0) {
      mistakes.push(`${path}: expected a list of values, or one of ${Object.keys(failures).join(', ')}`);
      continue;
    }
    const answer = values.map((value: unknown, i) => {
      const record = typeof value === 'string' ? rule.read(value) : undefined;
      if (record === undefined) mistakes.push(`${path}[${i}]: expected ${rule.expected}`);
      return record;
    });
    parsed.set(type, answer as Answer);
  }
  return parsed;
}

/** RFC 1035 §2.3.4: labels of at most 63 octets, a name of at most 253 as text. */
function readName(value: string): string | undefined {
  const name = value.replace(/\.$/, '');
  const valid = name.length <= 253 && name.split('.').every((label) => /^[^\s.]{1,63}$/.test(label));
  return valid ? name : undefined;
}

function readMailExchange(value: string): MailExchange | undefined {
  const match = /^([0-9]{1,5})[ \t]+(\S+)$/.exec(value);
  const [, priority = '', exchange = ''] = match ?? [];
  // RFC 7505: "0 ." says that the domain takes no mail.
  if (exchange === '.') return { exchange: '', priority: Number(priority) };
  const name = readName(exchange);
  return match && name !== undefined ? { exchange: name, priority: Number(priority) } : undefined;
}

function isMapping(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Aliases in a row that are followed; a longer chain, or a loop, is a failure of the zone. */
const maxAliases = 8;

/**
 * Asks the zone, following CNAME records inside it.
 *
 * @returns the answer; the failure (ENODATA: the name is listed, but not this type); or the name
 *   that the zone does not hold (the one asked for, or where its aliases lead)
 */
export function askZone(
  zone: Zone,
  name: string,
  type: string,
): { answer: Answer } | { failure: ZoneFailure | 'ENODATA' } | { unknown: string } {
  let current = normalizeName(name);
  for (let aliases = 0; aliases <= maxAliases; aliases++) {
    const records = zone.get(current);
    if (!records) return { unknown: current };
    const value = records.get(type) ?? records.get('CNAME');
    if (value === undefined) return { failure: 'ENODATA' };
    if (typeof value === 'string') return { failure: value };
    if (records.has(type)) return { answer: value };
    current = normalizeName(String(value[0]));
  }
  return { failure: 'ESERVFAIL' };
}
