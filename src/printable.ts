// Strangers' texts on a terminal: what would move its cursor, change its colours or turn its lines round is made visible.

/** Controls but the tab, line separators, and what changes the direction of text. */
const harmful = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** @returns the text in one line that a terminal shows and does not obey: ESC is `\x1b` */
export function printable(text: string): string {
  return text.toWellFormed().replace(harmful, (character) => {
    if (character === '\t') return character;
    const code = character.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** JSON in one line, in which all that a terminal could obey is escaped as JSON has it. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(
    harmful,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Lines that go on are not indented deeper than this, however long the label was. */
const deepest = 30;

/**
 * Breaks a text into lines between its words, and words that are longer than a line anywhere.
 *
 * @param label what the first line begins with; the others begin with as many blanks
 * @param width characters of a line
 */
export function wrap(label: string, text: string, width: number): string[] {
  const indent = ' '.repeat(Math.min(label.length, deepest));
  const room = width - indent.length;
  const lines: string[] = [];
  let line = printable(label);
  let begun = false;
  for (const word of printable(text).split(' ')) {
    const gap = begun ? ' ' : '';
    if (begun && line.length + 1 + word.length > width && word.length <= room) {
      lines.push(line);
      line = indent + word;
      continue;
    }
    line += gap + word;
    begun = true;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = indent + line.slice(width);
    }
  }
  if (line.trim() !== '') lines.push(line);
  return lines;
}
