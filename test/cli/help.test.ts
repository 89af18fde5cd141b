// What `--help` says, and what a wrong command line is answered.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { postern } from '../../src/cli/program.ts';
import { allCommands, examplesOf, helpOf, shownLines } from './documents.ts';
import { limitMs, StandIns } from './stand-ins.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

test('the program groups its commands', () => {
  const help = helpOf(postern());
  for (const group of ['Run:', 'Ask and try:', 'Configure:', 'See it work:']) {
    assert.match(help, new RegExp(`^${group}$`, 'm'));
  }
  assert.doesNotMatch(help, /^Commands:$/m);
});

test('every command has examples, which name it and only options that it has', () => {
  for (const [path, command] of allCommands().slice(1)) {
    const lines = examplesOf(command).map(({ line }) => line);
    assert.ok(lines.length > 0, `${path.join(' ')}: no example`);
    for (const line of lines) {
      assert.ok(path.length > 1 || line.startsWith(`postern ${path.join(' ')}`), line);
      const [, rest = ''] = line.split(`postern ${path.join(' ')}`);
      for (const flag of rest.match(/(?<= )--?[a-z][a-z-]*/g) ?? []) {
        const known = [...command.commands, command].some((each) =>
          each.options.some(({ short, long }) => flag === short || flag === long),
        );
        assert.ok(known, `${line}: ${flag}`);
      }
    }
  }
});

test('every example runs, and ends as it is said there', { timeout: limitMs }, async (context) => {
  await using standIns = await StandIns.start();
  const examples = new Map(
    allCommands().flatMap(([, command]) => examplesOf(command).map((shown) => [shown.line, shown] as const)),
  );
  assert.ok(examples.size > 15, `${examples.size} examples`);
  // What a document shows as well, its test runs.
  for (const { line, status } of shownLines())
    if (examples.get(line)?.status === status) examples.delete(line);
  assert.ok(examples.size > 5, `${examples.size} examples`);
  await standIns.proveAll(context, [...examples.values()]);
});

test('an unknown command or option is answered with the one that was meant, and 64', () => {
  const run = (...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
    return [status, /Did you mean (\S+)\?/.exec(stderr)?.[1]];
  };
  assert.deepEqual(run('verfy'), [64, 'verify']);
  assert.deepEqual(run('verify', '--explian'), [64, '--explain']);
  assert.deepEqual(run('config', 'chek'), [64, 'check']);
});
