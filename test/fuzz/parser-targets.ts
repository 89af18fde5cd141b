// What cuts a client's bytes into command lines and content: the same however the bytes arrive.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fc from 'fast-check';
import { Parser } from '../../src/listener/parser.ts';
import { unstuffed } from './chaotic-peer.ts';
import { bytesOf, cuts, hostileText, inPieces, type Target, waitingTarget } from './target.ts';

const commandBytes = 40;

// biome-ignore format: words, not lines
const dialogues = hostileText(
  'DATA\r\n', 'DATA\n', 'NOOP\r\n', 'MAIL FROM:<a@b>\r\n', '.\r\n', '\r\n.\r\n', '\n.\n', '\n.\r\n', '\r.\r', '..',
  '\r', '\n', '\r\n', '.', 'text', 'x'.repeat(38), 'x'.repeat(39), 'x'.repeat(200),
);

interface Read {
  readonly kind: 'command' | 'too long' | 'content';
  readonly text: string;
}

/** By the plainest reading. */
function readPlainly(said: string): readonly Read[] {
  const read: Read[] = [];
  let text = said;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    if (line.length >= commandBytes) read.push({ kind: 'too long', text: '' });
    else read.push({ kind: 'command', text: line.replace(/\r$/, '') });
    if (read.at(-1)?.text !== 'DATA') continue;
    const content = `\r\n${text}`;
    const over = content.indexOf('\r\n.\r\n');
    if (over < 0) return read;
    read.push({ kind: 'content', text: unstuffed(content.slice(2, over + 2)) });
    text = content.slice(over + 5);
  }
  return read;
}

async function cut(said: string, sizes: readonly number[]): Promise<void> {
  const read: Read[] = [];
  let content = '';
  const parser = new Parser(
    {
      command: async (text) => {
        read.push({ kind: 'command', text });
        if (text === 'DATA') parser.beginContent();
      },
      commandTooLong: async () => void read.push({ kind: 'too long', text: '' }),
      content: async (chunk) => {
        content += chunk.toString('latin1');
      },
      endOfData: async () => {
        read.push({ kind: 'content', text: content });
        content = '';
      },
      idle: () => undefined,
    },
    commandBytes,
  );
  for (const piece of inPieces(bytesOf(said), sizes)) parser.write(piece);
  parser.end();
  await once(parser, 'finish');
  assert.deepEqual(read, readPlainly(said));
}

export const parserTargets: readonly Target[] = [
  waitingTarget('command lines', fc.tuple(dialogues, cuts), ([text, sizes]) => cut(text, sizes)),
];
