// What was said between `postern send` and a server, a line each, as people read it.
import { printable } from '../printable.ts';

/** One line of a conversation. A server's text is whatever the server chose. */
export interface DialogueLine {
  /** `note`: nobody said it; it tells what happened. */
  readonly from: 'client' | 'server' | 'note';
  readonly text: string;
}

/** Is told each line as it is said. */
export type Listen = (line: DialogueLine) => void;

const marks = { client: '→', server: '←', note: '*' } as const;

/** @returns a line for a terminal, without its end; what a server could do to the terminal is made visible */
export function formatLine({ from, text }: DialogueLine): string {
  return `${marks[from]} ${printable(text)}`;
}

/** What is shown of a message. */
const shownLines = 8;
const shownCharacters = 200;

/** @returns the first lines of a message, and how much there is in all */
export function abbreviate(message: Buffer): string[] {
  const beginning = message.toString('utf8', 0, shownLines * 1000).split(/\r?\n/, shownLines + 1);
  const whole = beginning.length <= shownLines && message.length < shownLines * 1000;
  const shown = beginning.slice(0, shownLines).map((line) => cut(line));
  return whole ? shown : [...shown, '...'];
}

function cut(line: string): string {
  return line.length > shownCharacters ? `${line.slice(0, shownCharacters)}...` : line;
}
