// The documents' command lines: each is run as it is shown, with what it talks to standing by.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { postern } from '../../src/cli/program.ts';
import { completionTree } from '../../src/completion/tree.ts';
import { exits } from '../../src/exits.ts';
import { mentions, shownLines } from './documents.ts';
import { limitMs, StandIns } from './stand-ins.ts';

let standIns: StandIns;
before(async () => {
  standIns = await StandIns.start();
});
after(() => standIns[Symbol.asyncDispose]());

test('every command line in the documents runs, and ends and answers as it is said there', {
  timeout: limitMs,
}, async (context) => {
  const lines = shownLines().filter(({ line }) => !/\b(?:FILE|COMMAND|NAME|TYPE)\b|\.\.\./.test(line));
  assert.ok(lines.length > 20, `${lines.length} lines`);
  assert.ok(lines.some(({ output }) => output !== undefined));
  await standIns.proveAll(context, lines);
});

test('every command that a text mentions is there, with the options that it names', () => {
  const tree = completionTree(postern());
  const unknown: string[] = [];
  for (const { document, line } of mentions()) {
    const words = line.split(' ').slice(1);
    const command = tree.findLast(
      ({ path }) => path.length > 0 && path.every((name, i) => words[i] === name),
    );
    const flags = words.filter((word) => /^--?[a-z]/.test(word));
    const known = command?.options.flatMap((option) => option.flags) ?? ['--help', '--version'];
    const isGeneral = flags.length > 0 && words[0] === flags[0];
    if ((!command && !isGeneral) || flags.some((flag) => !known.includes(flag)))
      unknown.push(`${document}: ${line}`);
  }
  assert.deepEqual(unknown, []);
  assert.ok(mentions().length > 10);
});

test('every command and every exit status has its place in docs/cli.md', () => {
  const document = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  const rows = [...document.matchAll(/^\| (\d+) \| `EX_[A-Z]+` \|/gm)].map(([, status]) => Number(status));
  assert.deepEqual(
    rows,
    Object.values(exits).sort((one, other) => one - other),
  );
  for (const command of postern().commands) {
    assert.match(document, new RegExp(`^postern ${command.name()}\\b`, 'm'), command.name());
  }
  const described = [...document.matchAll(/`(--[a-z-]+)`/g)].map(([, flag]) => flag);
  const known = new Set(
    completionTree(postern()).flatMap(({ options }) => options.flatMap(({ flags }) => flags)),
  );
  assert.deepEqual(
    described.filter((flag) => flag === undefined || !known.has(flag)),
    [],
  );
});
