// The command lines that the documents and the program's own help show.
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { postern } from '../../src/cli/program.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A line of a document that begins with the program's name. */
export interface ShownLine {
  readonly document: string;
  /** As it stands there, without the comment behind it. */
  readonly line: string;
  /** What the comment says, else 0. */
  readonly status: number;
  /** What is shown as its answer. */
  readonly output?: string;
}

const documents = ['README.md', ...globSync('docs/*.md', { cwd: root })];

/** @returns lines in fenced blocks: `sh`, or without a language; in `console`, with what they answer */
export function shownLines(): ShownLine[] {
  return documents.flatMap((document) => {
    const text = readFileSync(join(root, document), 'utf8');
    const blocks = [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)];
    return blocks.flatMap(([, language, block = '']) => {
      if (language === 'console') return dialogue(basename(document), block);
      if (language !== '' && language !== 'sh') return [];
      const lines = block.split('\n').filter((line) => line.startsWith('postern '));
      return lines.map((line) => shown(basename(document), line));
    });
  });
}

/** Lines behind a prompt, root's or anybody's, each with what stands below it. */
function dialogue(document: string, block: string): ShownLine[] {
  return block.split(/^(?=[$#] )/m).flatMap((part) => {
    const [first = '', ...answer] = part.trimEnd().split('\n');
    // What else is done on the same line is somebody else's.
    const [command = ''] = first.slice(2).split(' && ');
    if (!command.startsWith('postern ')) return [];
    const line = shown(document, command);
    return [answer.length === 0 ? line : { ...line, output: answer.join('\n') }];
  });
}

function shown(document: string, text: string): ShownLine {
  const [, line = '', status] = /^(.*?)(?: # exit status (\d+))?$/.exec(text) ?? [];
  return { document, line, status: Number(status ?? 0) };
}

/** A command and all below it, each with its words. */
export function allCommands(
  command: Command = postern(),
  path: readonly string[] = [],
): [readonly string[], Command][] {
  const below = command.commands.flatMap((each) => allCommands(each, [...path, each.name()]));
  return [[path, command], ...below];
}

/** What a command says when it is asked for help. */
export function helpOf(command: Command): string {
  let said = '';
  command.configureOutput({ writeOut: (text) => (said += text), getOutHasColors: () => false });
  command.outputHelp();
  return said;
}

/** @returns the examples that a command's help shows */
export function examplesOf(command: Command): ShownLine[] {
  const lines = helpOf(command)
    .split('\n')
    .filter((line) => line.startsWith('  postern '));
  return lines.map((line) => shown('--help', line.trim()));
}

/** @returns what stands between backquotes in the text and begins with the program's name and a command */
export function mentions(): Pick<ShownLine, 'document' | 'line'>[] {
  return documents.flatMap((document) => {
    const text = readFileSync(join(root, document), 'utf8').replaceAll(/^```.*?^```$/gms, '');
    const inline = [...text.matchAll(/`(postern\s[a-z-][^`]*)`/g)].map(([, line = '']) => line);
    return inline.map((line) => ({ document: basename(document), line: line.replaceAll(/\s+/g, ' ') }));
  });
}
