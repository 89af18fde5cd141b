// How the values of results look.

/** How each value looks: good, doubtful, bad, or nothing said. */
export const valueKinds = Object.freeze({
  pass: 'good',
  fail: 'bad',
  softfail: 'doubtful',
  policy: 'doubtful',
  warn: 'doubtful',
  temperror: 'error',
  permerror: 'error',
  neutral: 'neutral',
  none: 'neutral',
  declined: 'neutral',
  skipped: 'neutral',
});

/** @param {string} value @returns {string} */
export function kindOf(value) {
  return Object.entries(valueKinds).find(([name]) => name === value)?.[1] ?? 'neutral';
}
