// Texts in columns of a terminal: each takes as many cells as it should, whatever is in it.
import { printable } from '../printable.ts';

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const none = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** @returns cells that a terminal gives it; as good a guess as there is without asking the terminal */
function cells(character: string): number {
  if (none.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

/** @returns the text in exactly that many cells: filled up with blanks, or cut with an ellipsis */
export function fit(text: string, width: number): string {
  const safe = printable(text).replaceAll('\t', ' ');
  let shown = '';
  let used = 0;
  let cutAt = '';
  let cutUsed = 0;
  for (const character of safe) {
    const more = cells(character);
    if (used + more > width) return width > 0 ? `${cutAt}…${' '.repeat(width - cutUsed - 1)}` : '';
    if (used + more < width) {
      cutAt = shown + character;
      cutUsed = used + more;
    }
    shown += character;
    used += more;
  }
  return shown + ' '.repeat(width - used);
}

/** The same, at the right edge. */
export function fitRight(text: string, width: number): string {
  const fitted = fit(text, width);
  const content = fitted.trimEnd();
  return fitted.slice(content.length) + content;
}
