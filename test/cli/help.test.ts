// What `--help` says, and what a wrong command line is answered.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { postern } from '../../src/cli/program.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

/** A command and all below it, each with its words. */
function all(command: Command, path: readonly string[] = []): [readonly string[], Command][] {
  const below = command.commands.flatMap((each) => all(each, [...path, each.name()]));
  return [[path, command], ...below];
}

/** What a command says when it is asked for help. */
function helpOf(command: Command): string {
  let said = '';
  command.configureOutput({ writeOut: (text) => (said += text), getOutHasColors: () => false });
  command.outputHelp();
  return said;
}

test('the program groups its commands', () => {
  const help = helpOf(postern());
  for (const group of ['Run:', 'Ask and try:', 'Configure:', 'See it work:']) {
    assert.match(help, new RegExp(`^${group}$`, 'm'));
  }
  assert.doesNotMatch(help, /^Commands:$/m);
});

test('every command has examples, which name it and only options that it has', () => {
  for (const [path, command] of all(postern()).slice(1)) {
    const help = helpOf(command);
    const lines = help.split('\n').filter((line) => line.startsWith('  postern '));
    assert.ok(lines.length > 0, `${path.join(' ')}: no example`);
    for (const line of lines) {
      assert.ok(path.length > 1 || line.startsWith(`  postern ${path.join(' ')}`), line);
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

test('an unknown command or option is answered with the one that was meant, and 64', () => {
  const run = (...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
    return [status, /Did you mean (\S+)\?/.exec(stderr)?.[1]];
  };
  assert.deepEqual(run('verfy'), [64, 'verify']);
  assert.deepEqual(run('verify', '--explian'), [64, '--explain']);
  assert.deepEqual(run('config', 'chek'), [64, 'check']);
});
