// Recorded conversations, changed on both sides: the inputs of whole sessions.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { readDialogue, spelled } from '../support/dialogue-file.ts';
import type { Trouble, Troubles } from './chaotic-peer.ts';
import { hostileText } from './target.ts';

const folder = join(import.meta.dirname, '../dialogues');

/** What the client says in each of the conversations, in lines. */
const recorded = (await Promise.all(readdirSync(folder).filter(isConversation).sort().map(readSaid))).filter(
  (lines) => lines.length > 1,
);

function isConversation(name: string): boolean {
  return name.endsWith('.txt');
}

async function readSaid(name: string): Promise<readonly string[]> {
  const { steps } = await readDialogue(join(folder, name));
  return steps.flatMap(({ text }) => /^c -> ?(.*)$/.exec(text)?.slice(1).map(spelled) ?? []);
}

// biome-ignore format: words, not lines
const bytes = hostileText(
  '\r\n', '.\r\n', '\n.\n', 'RSET\r\n', 'DATA\r\n', 'QUIT\r\n', 'EHLO x\r\n', 'MAIL FROM:<a@b>\r\n',
  'RCPT TO:<c@d>\r\n', 'STARTTLS\r\n', '250 ok\r\n',
);
const at = fc.nat(400);

/** How a conversation is changed, one change after the other. */
type Change = (lines: readonly string[]) => readonly string[];

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(at, fc.nat(200), bytes).map(
    ([line, column, by]): Change =>
      (lines) =>
        edited(lines, line, (text) => text.slice(0, column) + by + text.slice(column + by.length)),
  ),
  fc.tuple(at, fc.nat(200), bytes).map(
    ([line, column, by]): Change =>
      (lines) =>
        edited(lines, line, (text) => text.slice(0, column) + by + text.slice(column)),
  ),
  fc.tuple(at, fc.nat(200), fc.nat(30)).map(
    ([line, column, length]): Change =>
      (lines) =>
        edited(lines, line, (text) => text.slice(0, column) + text.slice(column + length)),
  ),
  fc.tuple(at, fc.integer({ min: 1, max: 30 })).map(
    ([line, times]): Change =>
      (lines) =>
        edited(lines, line, (text) => text.repeat(times)),
  ),
  at.map(
    (line): Change =>
      (lines) =>
        lines.filter((_, i) => i !== line % lines.length),
  ),
  at.map((): Change => (lines) => lines.flatMap((line) => (/^RCPT/i.test(line) ? [line, line] : [line]))),
  fc.tuple(at, at).map(
    ([one, other]): Change =>
      (lines) => {
        const copy = [...lines];
        const [moved = ''] = copy.splice(one % lines.length, 1);
        copy.splice(other % lines.length, 0, moved);
        return copy;
      },
  ),
  fc.tuple(at, at).map(
    ([line, which]): Change =>
      (lines) =>
        lines.toSpliced(line % lines.length, 0, ...(recorded[which % recorded.length] ?? [])),
  ),
);

function edited(lines: readonly string[], line: number, edit: (text: string) => string): readonly string[] {
  return lines.map((text, i) => (i === line % lines.length ? edit(text) : text));
}

const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('replace' as const, 'append' as const),
    bytes: fc.oneof(
      bytes,
      fc.constantFrom(
        '421 bye\r\n',
        '550 no\r\n',
        '451-a\r\n451 b\r\n',
        '250-a\r\n',
        '354 x\r\n',
        '250 2.6.0 Stored\r\n',
      ),
    ),
  }),
  fc.constantFrom<Trouble>(
    { kind: 'repeat' },
    { kind: 'drop' },
    { kind: 'pieces' },
    { kind: 'close' },
    { kind: 'reset' },
  ),
);

export const session = fc.record({
  proxy: fc.nat(2),
  lines: fc
    .tuple(
      fc.nat(recorded.length - 1),
      fc.array(change, { maxLength: 5 }),
      fc.constantFrom('EHLO', 'EHLO', 'EHLO', 'LHLO'),
    )
    .map(([which, changes, hello]) =>
      changes.reduce<readonly string[]>(
        (lines, apply) => (lines.length > 0 && lines.join('').length < 50_000 ? apply(lines) : lines),
        (recorded[which] ?? []).map((line) => line.replace(/^EHLO/, hello)),
      ),
    ),
  cuts: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }),
  troubles: fc
    .oneof(fc.constant([]), fc.array(fc.tuple(fc.nat(12), trouble), { maxLength: 3 }))
    .map((all): Troubles => new Map(all)),
  end: fc.constantFrom('quit', 'quit', 'quit', 'quit', 'quit', 'end', 'reset'),
});

export type Session = typeof session extends fc.Arbitrary<infer T> ? T : never;
