// UNIX sockets with owner and mode, and workers that are not root.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { nobody, program, programForAll } from '../support/program.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { greet, missing, send } from './support/load.ts';
import { Served } from './support/served.ts';
import { workersUser } from './support/user.ts';

const { user, uid, gid } = workersUser();

/** The ids of a process: real, effective, saved and that for files, and its other groups. */
function idsOf(pid: number | undefined) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const line = (name: string) =>
    new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1]?.split(/\s+/);
  return { uids: line('Uid'), gids: line('Gid'), groups: line('Groups')?.filter(Boolean) };
}

const ofUser = {
  uids: Array(4).fill(String(uid)),
  gids: Array(4).fill(String(gid)),
  // Only root can drop what it was given.
  groups: process.getuid?.() === 0 ? [] : idsOf(process.pid).groups,
};

/** A port below 1024 that is free, as far as whoever runs this can know. */
async function lowPort(): Promise<number> {
  for (let port = 1023; port > 600; port -= 1) {
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
      server.listen({ port, host: '127.0.0.1' }, () => resolve(true));
    });
    server.close();
    if (free) return port;
  }
  throw new Error('every port is in use');
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

test('started as root, whoever talks to others is the user of the configuration, from the first moment', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 1 }, {}, programForAll());
  chmodSync(served.directory, 0o755);
  const path = join(served.directory, 'in.sock');
  const socket = { mode: '0660', owner: uid, group: gid };
  served.write([{ listen: `unix:${path}`, socket, destinations: [downstream.destination] }], {
    ...user,
    workers: 1,
    http: '127.0.0.1:0',
  });
  await served.reload();
  const { uid: owner, gid: group, mode } = statSync(path);
  assert.deepEqual([owner, group, mode & 0o777], [uid, gid, 0o660]);
  // One that passes mail, one that serves HTTP.
  await served.until(() => served.workers().length === 2);
  for (const pid of served.workers()) assert.deepEqual(idsOf(pid), ofUser);
  // The primary, which reads nothing of strangers, has no more groups than it needs.
  assert.deepEqual(idsOf(served.pid).groups, ofUser.groups);
  const address = served.of('http listening').at(-1)?.address;
  const page = await fetch(`http://${address}/`);
  assert.equal(page.status, 200);
  assert.match(await (await fetch(`http://${address}/metrics`)).text(), /^postern_workers 1$/m);
  using client = await greet({ path });
  await send(client, 'unprivileged');
  assert.deepEqual(missing(['unprivileged'], downstream), []);
});

const skip = process.getuid?.() !== 0 && 'not root';

test('for root a configuration without a user is warned of, also one that a reload brings', {
  skip,
}, async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { ...user, workers: 1 });
  const warned = () => served.events.filter(({ event }) => event.startsWith('running as root')).length;
  assert.equal(warned(), 0);
  served.write(listeners, { workers: 1 });
  await served.reload();
  assert.equal(warned(), 1);
});

test('ports below 1024 for mail and HTTP are bound for a user who may not, also by a reload', async () => {
  await using downstream = await ScriptedDownstream.start();
  const low = await lowPort();
  const settings = { ...user, workers: 1, http: '127.0.0.1:0' };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  const mail = (port: number) => [{ listen: `127.0.0.1:${port}`, destinations: [downstream.destination] }];
  served.write(mail(low), settings);
  await served.reload();
  const http = await lowPort();
  served.write(mail(low), { ...settings, http: `127.0.0.1:${http}` });
  await served.reload();
  const told = served.of('configuration not used').map(({ mistake }) => String(mistake));
  if (served.of('configuration reloaded').length === 2) {
    assert.deepEqual(told, []);
    using client = await greet({ host: '127.0.0.1', port: low });
    await send(client, 'low');
    assert.equal((await fetch(`http://127.0.0.1:${http}/healthz`)).status, 200);
    for (const pid of served.workers()) assert.deepEqual(idsOf(pid), ofUser);
  } else {
    // Who is not root may not have them, and hears why; what there was goes on.
    assert.notEqual(process.getuid?.(), 0);
    assert.match(told[0] ?? '', /^cannot listen on 127\.0\.0\.1:[0-9]+: permission denied/);
    using client = await greet(served.port());
    await send(client, 'high');
  }
});

test('a user that there is not is a mistake for root, and means nothing to anybody else', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 1 });
  served.write(listeners, { user: 'no-such-user', workers: 1 });
  await served.reload();
  const told = served.of('configuration not used').map(({ mistake }) => String(mistake));
  if (process.getuid?.() === 0) {
    assert.match(told[0] ?? '', /postern\.yaml:[0-9]+: user: there is no user "no-such-user"; expected /);
  }
  assert.equal(told.length, process.getuid?.() === 0 ? 1 : 0);
});

/** A configuration with a UNIX socket, in a directory that is removed with the test. */
function configured(
  t: TestContext,
  keys: { readonly listener?: string; readonly settings?: string },
): { readonly directory: string; readonly file: string } {
  const directory = mkdtempSync(join(tmpdir(), 'postern-rights-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'postern.yaml');
  const { listener = '', settings = '' } = keys;
  const all = `name: in, listen: "unix:${directory}/in.sock", mode: after-queue, destinations: [smtp://127.0.0.1:1]${listener}`;
  writeFileSync(file, `listeners: [{ ${all} }]\nhttp: false\nworkers: 1\n${settings}`);
  return { directory, file };
}

test('a group that there is not ends serve with 78, in one line', (t) => {
  const { file } = configured(t, { listener: ', socket: { group: no-such-group }' });
  const { status, stderr } = spawnSync(program.node, [program.cli, 'serve', '-c', file], {
    encoding: 'utf8',
  });
  assert.match(
    stderr,
    /^[^\n]*postern\.yaml:1: listeners\[0\]\.socket\.group: there is no group "no-such-group"; expected [^\n]*\n$/,
  );
  assert.equal(status, 78);
});

/** Workers have a user of their own. */
const settings = `user: ${nobody}\ngroup: ${nobody}\n`;

test('a program that the user may not read ends serve with 77, in one line that names it', { skip }, (t) => {
  const { directory, file } = configured(t, { settings });
  const root = join(import.meta.dirname, '../..');
  for (const part of ['src', 'package.json'])
    cpSync(join(root, part), join(directory, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  const cli = join(directory, 'src/cli.ts');
  const { status, stderr } = spawnSync(programForAll().node, [cli, 'serve', '-c', file], {
    encoding: 'utf8',
  });
  assert.match(
    stderr,
    new RegExp(`^postern: cannot start: user ${nobody} may not read ${directory}/src/[^\\n]*\\n$`),
  );
  assert.equal(status, 77);
});

test('root that may become nobody else, as in a container without capabilities, says so, and ends with 77', {
  skip: skip || (spawnSync('setpriv', ['--version']).status !== 0 && 'no setpriv'),
}, (t) => {
  const { file } = configured(t, { settings });
  const serve = [program.node, program.cli, 'serve', '-c', file];
  const { status, stderr } = spawnSync('setpriv', ['--bounding-set=-all', ...serve], { encoding: 'utf8' });
  assert.match(stderr, new RegExp(`^postern: cannot start: root may not become user ${nobody} [^\\n]*\\n$`));
  assert.equal(status, 77);
});
