// Values of any kind as plain data of bounded size, so that they can be kept, written as JSON and shown.

/** What JSON can hold. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

/** A DKIM key of 4096 bits fits; nobody reads the 70 kB that a record may have. */
const maxTextCharacters = 1024;
const maxItems = 100;
const maxDepth = 8;
/** All values of one together. */
const maxValues = 1000;

/**
 * A copy as plain data: long texts, long lists and deep nesting are cut, and say so.
 *
 * @param value anything; never makes it throw
 */
export function toPlain(value: unknown): Plain {
  try {
    return convert(value, maxDepth, { left: maxValues });
  } catch {
    // A getter or an iterator of a stranger's object.
    return 'unreadable';
  }
}

function convert(value: unknown, depth: number, values: { left: number }): Plain {
  values.left -= 1;
  if (typeof value === 'string') return cutText(value);
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object') return cutText(String(value));
  if (value instanceof Error) return cutText(value.message);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (value instanceof Uint8Array) {
    return cutText(Buffer.from(value.subarray(0, maxTextCharacters)).toString('base64'));
  }
  if (depth === 0 || values.left <= 0) return '...';
  if (value instanceof Map) return convert(Object.fromEntries(value), depth, values);
  if (value instanceof Set || Array.isArray(value)) return convertList([...value], depth, values);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  const kept = entries
    .slice(0, maxItems)
    .map(([key, each]) => [cutText(key), convert(each, depth - 1, values)]);
  if (entries.length > maxItems) kept.push(['...', `${entries.length - maxItems} more`]);
  return Object.fromEntries(kept) as Plain;
}

function convertList(list: readonly unknown[], depth: number, values: { left: number }): readonly Plain[] {
  const kept = list.slice(0, maxItems).map((each) => convert(each, depth - 1, values));
  return list.length > maxItems ? [...kept, `... ${list.length - maxItems} more`] : kept;
}

/** @returns the text, or its beginning and how long it was */
export function cutText(text: string): string {
  if (text.length <= maxTextCharacters) return text.toWellFormed();
  return `${text.slice(0, maxTextCharacters).toWellFormed()}... (${text.length} characters)`;
}
