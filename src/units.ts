// Sizes and times as people write them: a whole number and its unit.

const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

const timeUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Timers of Node.js hold 2^31 - 1 ms; what is longer would fire at once. */
const longestTimeMs = 24 * 86_400_000;

/** What a size looks like, for the text of a mistake. */
export const sizeForm = 'bytes, or a whole number with B, kB, MB, GB, KiB, MiB or GiB, such as 512KiB';

/** What a time looks like, for the text of a mistake. */
export const timeForm = 'a whole number with ms, s, m, h or d, such as 60s, of at most 24d';

/**
 * Reads a size: `1MiB`, `10MB`, `512 KiB`; a number alone is bytes.
 *
 * @returns bytes, or undefined when it is not a size
 */
export function parseSize(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const match = /^([0-9]{1,15}) ?([A-Za-z]*)$/.exec(value);
  if (!match) return undefined;
  return whole(match[1], match[2] === '' ? 1 : sizeUnits[match[2] ?? '']);
}

/**
 * Reads a time: `100ms`, `60s`, `5m`, `1h`, `1d`. A number alone is no time: nobody could tell its unit.
 *
 * @returns milliseconds, or undefined when it is not a time or longer than {@link longestTimeMs}
 */
export function parseTime(value: string): number | undefined {
  const match = /^([0-9]{1,15}) ?([a-z]+)$/.exec(value);
  const ms = match && whole(match[1], timeUnits[match[2] ?? '']);
  return ms != null && ms <= longestTimeMs ? ms : undefined;
}

function whole(digits: string | undefined, unit: number | undefined): number | undefined {
  const product = Number(digits) * (unit ?? Number.NaN);
  return Number.isSafeInteger(product) ? product : undefined;
}

/** Writes a time with the largest unit that leaves a whole number: 90000 is `90s`. */
export function formatTime(ms: number): string {
  return formatted(ms, timeUnits);
}

/** Writes a size with the largest unit that leaves a whole number: 1048576 is `1MiB`. */
export function formatSize(bytes: number): string {
  return formatted(bytes, sizeUnits);
}

function formatted(value: number, units: Readonly<Record<string, number>>): string {
  const [name, unit] = Object.entries(units).reduce((best, next) =>
    value > 0 && value % next[1] === 0 && next[1] > best[1] ? next : best,
  );
  return `${value / unit}${name}`;
}
