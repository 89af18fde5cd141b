// Sockets as another configuration wants them: all of it or nothing.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempDisposableSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ListenerConfiguration } from '../../src/config/configuration.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { Doors } from '../../src/supervisor/doors.ts';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { greet, missing, send } from './support/load.ts';
import { Served } from './support/served.ts';

function someListener(): ListenerConfiguration {
  const environment = { POSTERN_LISTEN: '127.0.0.1:0', POSTERN_DESTINATION: 'smtp://127.0.0.1:25' };
  const [listener] = loadConfiguration({ environment }).listeners;
  assert.ok(listener);
  return listener;
}

const someDirectory = () => mkdtempDisposableSync(join(tmpdir(), 'postern-doors-'));
const modeOf = (path: string) => statSync(path).mode & 0o777;

test('a reload that fails at its end leaves a UNIX socket the mode that it had', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([{ destinations: [destination] }], { workers: 1 });
  const path = join(served.directory, 'in.sock');
  const listener = (mode: string) => ({
    listen: `unix:${path}`,
    socket: { mode },
    destinations: [destination],
  });
  served.write([listener('0600')], { workers: 1 });
  await served.reload();
  writeFileSync(
    join(served.directory, 'check.cjs'),
    "if (process.send) throw new Error('not here'); module.exports = { name: 'x-mine', connect: () => [] };",
  );
  const checks = { custom: [{ module: './check.cjs' }] };
  served.write([listener('0666')], { workers: 1, checks });
  await served.reload();
  assert.equal(served.of('configuration not used').length, 1);
  assert.equal(modeOf(path), 0o600);
  served.write([listener('0666')], { workers: 1, http: `127.0.0.1:${downstream.port}` });
  await served.reload();
  assert.equal(served.of('configuration not used').length, 2);
  assert.equal(modeOf(path), 0o600);
});

test('when one socket cannot be bound, those that were bound for the same configuration are gone again', async () => {
  using directory = someDirectory();
  const [free, taken] = [join(directory.path, 'free'), join(directory.path, 'taken')];
  writeFileSync(taken, '');
  const doors = new Doors(() => undefined);
  const listeners = [free, taken].map((path) => ({ ...someListener(), name: path, listen: { path } }));
  await assert.rejects(doors.prepare(listeners), /EADDRINUSE/);
  assert.equal(existsSync(free), false);
});

test('when the permissions of one socket cannot be set, those of the others are as before, and none is closed', async () => {
  using directory = someDirectory();
  const listener = someListener();
  const paths = ['one', 'two', 'three'].map((name) => join(directory.path, name));
  const listeners = (mode: number) =>
    paths.map((path) => ({ ...listener, name: path, listen: { path }, socket: { mode } }));
  const doors = new Doors(() => undefined);
  (await doors.prepare(listeners(0o600))).commit();
  const [one = '', two = '', three = ''] = paths;
  chmodSync(one, 0o640);
  const change = await doors.prepare(listeners(0o666).slice(0, 2));
  assert.equal(modeOf(one), 0o640);
  unlinkSync(two);
  assert.throws(() => change.commit(), /ENOENT/);
  change.cancel();
  assert.equal(modeOf(one), 0o640);
  assert.ok(existsSync(three));
  doors.close();
});

test('permissions of a UNIX socket that are not named any more are those again that the system gives it', async () => {
  using directory = someDirectory();
  const path = join(directory.path, 'in.sock');
  const listener = { ...someListener(), listen: { path } };
  const doors = new Doors(() => undefined);
  const use = async (socket: ListenerConfiguration['socket']) => {
    (await doors.prepare([{ ...listener, ...(socket && { socket }) }])).commit();
    return modeOf(path);
  };
  const usual = await use(undefined);
  assert.equal(await use({ mode: 0o606 }), 0o606);
  assert.equal(await use(undefined), usual);
  doors.close();
});

test('an owner and a group that are not named any more are ours again, also when the next change fails', {
  skip: process.getuid?.() !== 0 && 'only root gives sockets away',
}, async () => {
  using directory = someDirectory();
  const [path, other] = [join(directory.path, 'in.sock'), join(directory.path, 'other.sock')];
  const doors = new Doors(() => undefined);
  const prepare = (socket: ListenerConfiguration['socket']) =>
    doors.prepare(
      [path, other].map((each) => ({
        ...someListener(),
        name: each,
        listen: { path: each },
        ...(socket && { socket }),
      })),
    );
  const ownersOf = () => [statSync(path).uid, statSync(path).gid];
  (await prepare({ owner: 1, group: 2 })).commit();
  assert.deepEqual(ownersOf(), [1, 2]);
  const change = await prepare(undefined);
  renameSync(other, `${other}.away`);
  assert.throws(() => change.commit(), /ENOENT/);
  assert.deepEqual(ownersOf(), [1, 2]);
  renameSync(`${other}.away`, other);
  change.commit();
  assert.deepEqual(ownersOf(), [process.getuid?.(), process.getgid?.()]);
  doors.close();
});

test('what a client says is left for the worker that gets its connection', async () => {
  using directory = someDirectory();
  const path = join(directory.path, 'in.sock');
  const accepted = Promise.withResolvers<Socket>();
  const doors = new Doors((_, socket) => accepted.resolve(socket));
  (await doors.prepare([{ ...someListener(), listen: { path } }])).commit();
  using client = await RawClient.connect({ path });
  client.send('EHLO client.example\r\n');
  const socket = await accepted.promise;
  assert.ok(socket.isPaused());
  socket.destroy();
  doors.close();
});

test('a UNIX socket whose file was removed is not ready; a reload makes it again, with the mode that it had', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  const settings = { workers: 1, http: '127.0.0.1:0' };
  await using served = await Served.start([{ destinations: [destination] }], settings);
  const path = join(served.directory, 'in.sock');
  served.write([{ listen: `unix:${path}`, socket: { mode: '0600' }, destinations: [destination] }], settings);
  await served.reload();
  rmSync(path);
  const ready = () => fetch(`http://${served.of('http listening').at(-1)?.address}/readyz`);
  const answer = await ready();
  assert.equal(answer.status, 503);
  assert.deepEqual(await answer.json(), {
    ready: false,
    reasons: [`listener in: unix:${path} was removed`],
  });
  await served.reload();
  assert.equal(modeOf(path), 0o600);
  using client = await greet({ path });
  await send(client, 'again');
  assert.deepEqual(missing(['again'], downstream), []);
});

test('a UNIX socket of another program in the place of one that was removed is neither taken nor removed', async () => {
  using directory = someDirectory();
  const path = join(directory.path, 'in.sock');
  const listeners = [{ ...someListener(), listen: { path } }];
  const [before, after] = [new Doors(() => undefined), new Doors(() => undefined)];
  (await before.prepare(listeners)).commit();
  unlinkSync(path);
  (await after.prepare(listeners)).commit();
  const { ino } = statSync(path);
  await assert.rejects(before.prepare(listeners), /EADDRINUSE/);
  before.close();
  assert.equal(statSync(path, { throwIfNoEntry: false })?.ino, ino);
  after.close();
});

test('a UNIX socket with a group and no mode is open to that group, one with an owner alone as the system makes it', async () => {
  using directory = someDirectory();
  const usual = 0o777 & ~process.umask();
  for (const [socket, mode] of [
    [{ group: process.getgid?.() ?? 0 }, 0o660],
    [{ owner: process.getuid?.() ?? 0 }, usual],
  ] as const) {
    const path = join(directory.path, `${mode}.sock`);
    const doors = new Doors(() => undefined);
    (await doors.prepare([{ ...someListener(), listen: { path }, socket }])).commit();
    assert.equal(modeOf(path), mode);
    doors.close();
  }
});

test('connections of a dozen listeners pass to a worker without a word of Node.js about listeners of its own', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([{ destinations: [destination] }], { workers: 1 });
  const paths = Array.from({ length: 12 }, (_, i) => join(served.directory, `${i}.sock`));
  served.write(
    paths.map((path, i) => ({ name: `in${i}`, listen: `unix:${path}`, destinations: [destination] })),
    { workers: 1 },
  );
  await served.reload();
  for (const path of paths) {
    using client = await greet({ path });
    await send(client, path);
  }
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
  assert.equal(served.stderr, '');
});
