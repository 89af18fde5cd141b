// The command lines that the documents show.
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A line of a document that begins with the program's name. */
export interface ShownLine {
  readonly document: string;
  /** As it stands there, without the comment behind it. */
  readonly line: string;
  /** What the comment says, else 0. */
  readonly status: number;
}

const documents = ['README.md', ...globSync('docs/*.md', { cwd: root })];

/** @returns lines in fenced blocks: `sh`, or without a language */
export function shownLines(): ShownLine[] {
  return documents.flatMap((document) => {
    const text = readFileSync(join(root, document), 'utf8');
    const blocks = [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)]
      .filter(([, language]) => language === '' || language === 'sh')
      .map(([, , block = '']) => block);
    return blocks
      .flatMap((block) => block.split('\n'))
      .filter((line) => line.startsWith('postern '))
      .map((line) => {
        const [, command = '', status] = /^(.*?)(?: # exit status (\d+))?$/.exec(line) ?? [];
        return { document: basename(document), line: command, status: Number(status ?? 0) };
      });
  });
}

/** @returns what stands between backquotes in the text and begins with the program's name and a command */
export function mentions(): Pick<ShownLine, 'document' | 'line'>[] {
  return documents.flatMap((document) => {
    const text = readFileSync(join(root, document), 'utf8').replaceAll(/^```.*?^```$/gms, '');
    const inline = [...text.matchAll(/`(postern\s[a-z-][^`]*)`/g)].map(([, line = '']) => line);
    return inline.map((line) => ({ document: basename(document), line: line.replaceAll(/\s+/g, ' ') }));
  });
}
