// Blanks at the end of a line, taken away in time that grows with the line alone.

/**
 * The text without the spaces and tabs at its end. A regular expression would begin anew at each blank of
 * a long row that something follows: a stranger's line of 64 KiB would take seconds.
 */
export function withoutFinalBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end -= 1;
  return text.slice(0, end);
}
