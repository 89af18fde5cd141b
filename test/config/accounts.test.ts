// Users and groups that a configuration names and the machine does not have.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { accountMistakes } from '../../src/config/accounts.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const listener =
  '{ name: in, listen: "unix:/nowhere/in.sock", mode: after-queue, destinations: [smtp://127.0.0.1:1], socket: { owner: no-owner, group: no-gang } }';

test('config check tells each of them, with its line, whoever asks', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-accounts-'));
  const file = join(directory, 'postern.yaml');
  writeFileSync(file, `listeners:\n  - ${listener}\nuser: no-user\ngroup: no-group\n`);
  const { status, stderr } = spawnSync(process.execPath, [cli, 'config', 'check', file], {
    encoding: 'utf8',
  });
  const [user, group] = [
    'expected a name of /etc/passwd, or a number',
    'expected a name of /etc/group, or a number',
  ];
  assert.deepEqual(stderr.split('\n').filter(Boolean), [
    `${file}:2: listeners[0].socket.owner: there is no user "no-owner"; ${user}`,
    `${file}:2: listeners[0].socket.group: there is no group "no-gang"; ${group}`,
    `${file}:3: user: there is no user "no-user"; ${user}`,
    `${file}:4: group: there is no group "no-group"; ${group}`,
  ]);
  assert.equal(status, 78);
  rmSync(directory, { recursive: true });
});

test('numbers need no entry, but a user without one needs a group; what cannot be known is no mistake', () => {
  const source = { value: {}, place: (path: readonly PropertyKey[]) => path.join('.'), line: () => 1 };
  const listeners = [{ socket: { owner: 3_999_999_999, group: 3_999_999_999 } }, {}];
  assert.deepEqual(accountMistakes({ user: 3_999_999_999, listeners }, source, true), [
    'user: user 3999999999 has no entry; expected a group too',
  ]);
  assert.deepEqual(accountMistakes({ user: 3_999_999_999, group: 5, listeners }, source, true), []);
  const named = { user: 'no-user', group: 'no-group', listeners: [{ socket: { owner: 'no-owner' } }] };
  assert.equal(accountMistakes(named, source, false).length, 1);
  const unreadable = { passwd: '/nowhere/passwd', group: '/nowhere/group' };
  assert.deepEqual(accountMistakes(named, source, true, unreadable), []);
});
