// UNIX sockets with owner and mode, and workers that are not root.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { greet, missing, send } from './support/load.ts';
import { cli, Served } from './support/served.ts';

const needsRoot = process.getuid?.() === 0 ? false : 'run as root: only root can become somebody else';

/** A checkout below a directory of root's own can be run by nobody else: then only the group changes. */
function canRunAs(uid: number): boolean {
  const { status } = spawnSync(process.execPath, [cli, '--version'], { uid, gid: uid });
  return status === 0;
}

test('a UNIX socket has the mode that it shall have, another one after a reload, and carries mail', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination: to } = downstream;
  await using served = await Served.start([{ destinations: [to] }]);
  const path = join(served.directory, 'in.sock');
  const listener = (mode: unknown) => ({ listen: `unix:${path}`, socket: { mode }, destinations: [to] });
  for (const [written, meant] of [
    ['0600', 0o600],
    [666, 0o666],
  ]) {
    served.write([listener(written)]);
    await served.reload();
    assert.equal(statSync(path).mode & 0o777, meant);
    using client = await greet({ path });
    await send(client, `mode-${written}`);
  }
  assert.deepEqual(missing(['mode-0600', 'mode-666'], downstream), []);
});

test('started as root, workers run as the user of the configuration', { skip: needsRoot }, async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], { workers: 1 });
  chmodSync(served.directory, 0o755);
  const [uid, gid] = [canRunAs(65_432) ? 65_432 : 0, 65_431];
  const path = join(served.directory, 'in.sock');
  const socket = { mode: '0660', owner: uid, group: gid };
  served.write([{ listen: `unix:${path}`, socket, destinations: [downstream.destination] }], {
    user: uid,
    group: gid,
    workers: 1,
  });
  await served.reload();
  const { uid: owner, gid: group, mode } = statSync(path);
  assert.deepEqual([owner, group, mode & 0o777], [uid, gid, 0o660]);
  await served.until(() => served.workers().length === 1);
  const status = readFileSync(`/proc/${served.workers()[0]}/status`, 'utf8');
  assert.match(status, new RegExp(`^Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, 'm'));
  assert.match(status, new RegExp(`^Gid:\\t${gid}\\t${gid}\\t${gid}\\t${gid}$`, 'm'));
  assert.match(status, /^Groups:\t\s*$/m);
  using client = await greet({ path });
  await send(client, 'unprivileged');
  assert.deepEqual(missing(['unprivileged'], downstream), []);
});

test('a user that there is not is a mistake, and changes nothing', { skip: needsRoot }, async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 1 });
  served.write(listeners, { user: 'no-such-user', workers: 1 });
  await served.reload();
  const [told] = served.of('configuration not used');
  assert.match(
    String(told?.mistake),
    /postern\.yaml:[0-9]+: user: there is no user "no-such-user"; expected /,
  );
});

test('a group that there is not ends serve with 78, in one line', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-group-'));
  const file = join(directory, 'postern.yaml');
  const listener = `{ name: in, listen: "unix:${directory}/in.sock", mode: after-queue, destinations: [smtp://127.0.0.1:1], socket: { group: no-such-group } }`;
  writeFileSync(file, `listeners: [${listener}]\nhttp: false\nworkers: 1\n`);
  const { status, stderr } = spawnSync(process.execPath, [cli, 'serve', '-c', file], { encoding: 'utf8' });
  assert.match(
    stderr,
    /^[^\n]*postern\.yaml:1: listeners\[0\]\.socket\.group: there is no group "no-such-group"; expected [^\n]*\n$/,
  );
  assert.equal(status, 78);
  rmSync(directory, { recursive: true });
});
