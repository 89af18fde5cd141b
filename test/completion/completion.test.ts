// Shell completion, by the shells themselves.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { postern } from '../../src/cli/program.ts';
import { bashCompletion } from '../../src/completion/bash.ts';
import { fishCompletion } from '../../src/completion/fish.ts';
import { completionTree } from '../../src/completion/tree.ts';
import { zshCompletion } from '../../src/completion/zsh.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-completion-'));
after(() => rmSync(directory, { recursive: true }));
const tree = completionTree(postern());
const files = { bash: bashCompletion(tree), fish: fishCompletion(tree), zsh: zshCompletion(tree) };
for (const [shell, script] of Object.entries(files))
  writeFileSync(join(directory, `postern.${shell}`), script);
for (const name of ['message one.eml', 'message*.eml', 'other.yaml'])
  writeFileSync(join(directory, name), '');

function shell(name: string, args: readonly string[]): string {
  const { stdout, stderr, status, error } = spawnSync(name, args, {
    cwd: directory,
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.equal(error, undefined);
  assert.deepEqual([stderr, status], ['', 0]);
  return stdout;
}

const missing = (name: string) => (spawnSync(name, ['--version']).error ? `${name} is not installed` : false);

/** What bash offers for the last of the words. */
function bash(...words: readonly string[]): string[] {
  const program = `source ./postern.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postern; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const offered = shell('bash', ['--norc', '-c', program, 'bash', 'postern', ...words]);
  return offered
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}

/** What fish offers for a command line. */
const fish = (line: string) =>
  shell('fish', ['--no-config', '-c', 'source ./postern.fish; complete -C $argv[1]', line])
    .split('\n')
    .map((offered) => offered.split('\t')[0])
    .filter((offered) => offered !== '')
    .sort();

test('bash completes commands, commands below them, options, words and files', {
  skip: missing('bash'),
}, () => {
  assert.deepEqual(bash('ver'), ['verify']);
  assert.deepEqual(bash('config', 'ch'), ['check']);
  assert.deepEqual(bash('verify', '--ex'), ['--explain']);
  assert.deepEqual(bash('send', '--lmtp', '--tls', ''), ['implicit', 'starttls']);
  assert.deepEqual(bash('send', '--tls', '=', 'st'), ['starttls']);
  assert.deepEqual(bash('dns', 'example.com', 'A'), ['A', 'AAAA']);
  assert.deepEqual(bash('completion', ''), ['bash', 'fish', 'zsh']);
  assert.deepEqual(bash('verify', 'mess'), ['message one.eml', 'message*.eml']);
  assert.deepEqual(bash('config', 'check', 'oth'), ['other.yaml']);
  assert.deepEqual(bash('verify', '--zone', 'oth'), ['other.yaml']);
  assert.deepEqual(bash('serve', '-c', 'oth'), ['other.yaml']);
  assert.deepEqual(bash('verify', '--ip', ''), []);
});

test('every command of the program is completed', { skip: missing('bash') }, () => {
  for (const { path, commands, options } of tree) {
    const names = commands.map(({ name }) => name).sort();
    if (names.length > 0) assert.deepEqual(bash(...path, ''), names);
    const flags = options.flatMap((option) => option.flags).sort();
    assert.deepEqual(bash(...path, '-'), flags, path.join(' '));
  }
});

test('fish completes the same', { skip: missing('fish') }, () => {
  assert.deepEqual(fish('postern ver'), ['verify']);
  assert.deepEqual(fish('postern config ch'), ['check']);
  assert.deepEqual(fish('postern verify --ex'), ['--explain']);
  assert.deepEqual(fish('postern send --lmtp --tls '), ['implicit', 'starttls']);
  assert.deepEqual(fish('postern completion '), ['bash', 'fish', 'zsh']);
  assert.deepEqual(fish('postern config check oth'), ['other.yaml']);
  assert.deepEqual(fish('postern verify --zone oth'), ['other.yaml']);
});

test('zsh takes its script, and knows a function for each command', { skip: missing('zsh') }, () => {
  const program = `autoload -Uz compinit; compinit -D -u; source ./postern.zsh; print -l \${(ok)functions[(I)_postern*]} $_comps[postern]`;
  const names = tree.map(({ path }) => ['_postern', ...path].join('_'));
  assert.deepEqual(shell('zsh', ['-f', '-c', program]).trim().split('\n'), [...names.sort(), '_postern']);
});
