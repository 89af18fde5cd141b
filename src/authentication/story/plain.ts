// Values of any kind as plain data of bounded size, so that they can be kept, written as JSON and shown.

/** What JSON can hold. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

/** A DKIM key of 4096 bits fits; nobody reads the 70 kB that a record may have. */
const maxTextCharacters = 1024;
/** Of each text where there are so many that all of them are too much. */
const maxShortCharacters = 100;
const maxCharacters = 16 * 1024;
const maxItems = 100;
const maxDepth = 8;
/** The parts of all lists and objects in it. */
const maxValues = 1000;

/**
 * A copy as plain data: long texts, long lists and deep nesting are cut, and say so.
 *
 * @param value anything; never makes it throw
 */
export function toPlain(value: unknown): Plain {
  try {
    const plain = convert(value, maxDepth, { left: maxValues, textCharacters: maxTextCharacters });
    if (JSON.stringify(plain).length <= maxCharacters) return plain;
    return convert(value, maxDepth, { left: maxValues, textCharacters: maxShortCharacters });
  } catch {
    // A getter or an iterator of a stranger's object.
    return 'unreadable';
  }
}

/** What a copy may take. */
interface Room {
  /** Values, parts of lists and objects. */
  left: number;
  readonly textCharacters: number;
}

function convert(value: unknown, depth: number, room: Room): Plain {
  room.left -= 1;
  const text = (each: string) => cutText(each, room.textCharacters);
  if (typeof value === 'string') return text(value);
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object') return text(String(value));
  if (value instanceof Error) return text(value.message);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (value instanceof Uint8Array) {
    return text(Buffer.from(value.subarray(0, maxTextCharacters)).toString('base64'));
  }
  if (depth === 0 || room.left <= 0) return '...';
  if (value instanceof Map) return convertObject(Object.fromEntries(value), depth, room);
  if (value instanceof Set || Array.isArray(value)) return convertList([...value], depth, room);
  return convertObject(value, depth, room);
}

function convertList(list: readonly unknown[], depth: number, room: Room): Plain {
  const kept = list.slice(0, maxItems).map((each) => convert(each, depth - 1, room));
  return list.length > maxItems ? [...kept, `... ${list.length - maxItems} more`] : kept;
}

function convertObject(value: object, depth: number, room: Room): Plain {
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  const kept = entries
    .slice(0, maxItems)
    .map(([key, each]): [string, Plain] => [
      cutText(key, room.textCharacters),
      convert(each, depth - 1, room),
    ]);
  if (entries.length > maxItems) kept.push(['...', `${entries.length - maxItems} more`]);
  return Object.fromEntries(kept);
}

/**
 * A text, or its beginning and how long it was.
 *
 * @param most characters that are kept
 */
export function cutText(text: string, most = maxTextCharacters): string {
  if (text.length <= most) return text.toWellFormed();
  return `${text.slice(0, most).toWellFormed()}... (${text.length} characters)`;
}
