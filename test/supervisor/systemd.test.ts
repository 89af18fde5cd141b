// What systemd is told, by a stand-in that listens where systemd would.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { Systemd } from '../../src/supervisor/systemd.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { skipWithoutTools } from '../mta/support/requires.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { beginContent, finish } from './support/load.ts';
import { noMemoryFor } from './support/no-memory.ts';
import { Served } from './support/served.ts';

/** Node.js has no sockets of this kind: another language receives. */
const receiver = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    print(s.recv(4096).decode().strip().replace('\\n', ' '), flush=True)
`;

test('systemd hears of the start, a reload, the end, and in between that all is well', {
  skip: skipWithoutTools('systemdNotify', 'python'),
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-systemd-'));
  const path = join(directory, 'notify.sock');
  const python = spawn('python3', ['-c', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(python, 'exit');
  try {
    const heard: string[] = [];
    const lines = createInterface({ input: python.stdout }).on('line', (line) => heard.push(line));
    await once(lines, 'line');
    await using downstream = await ScriptedDownstream.start();
    const listeners = [{ destinations: [downstream.destination] }];
    const environment = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '400000' };
    await using served = await Served.start(listeners, { workers: 1 }, environment);
    const count = (pattern: RegExp) => heard.filter((line) => pattern.test(line)).length;
    await served.until(() => count(/^READY=1 STATUS=listening on 127\.0\.0\.1:\d+$/) === 1);
    await served.until(() => count(/^WATCHDOG=1$/) >= 2);
    await served.reload();
    await served.until(() => count(/^RELOADING=1 MONOTONIC_USEC=\d+$/) === 1 && count(/^READY=1 /) === 2);
    using busy = await beginContent(served.port());
    served.signal('SIGTERM');
    await served.until(() => count(/^STOPPING=1$/) === 1);
    // It is too late for that.
    served.signal('SIGHUP');
    await served.until(() => served.of('reloading').length === 2);
    await finish(busy, 'busy');
    assert.equal(await served.ended(), 0);
    await served.until(() => count(/^STOPPING=1$/) === 2);
    assert.equal(count(/^RELOADING=1 /), 1);
  } finally {
    python.kill('SIGKILL');
    await exit;
    rmSync(directory, { recursive: true });
  }
});

test('systemd is told twice within the time that it waits, where it waits for this process', ({ mock }) => {
  const everyMs = (environment: NodeJS.ProcessEnv) => {
    const interval = mock.method(globalThis, 'setInterval', () => undefined);
    new Systemd(environment, silentLog);
    interval.mock.restore();
    return interval.mock.calls[0]?.arguments[1];
  };
  const asked = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '400000' };
  assert.equal(everyMs(asked), 200);
  assert.equal(everyMs({ ...asked, WATCHDOG_PID: String(process.pid) }), 200);
  assert.equal(everyMs({ ...asked, WATCHDOG_PID: '1' }), undefined);
  assert.equal(everyMs({ WATCHDOG_USEC: '400000' }), undefined);
  for (const never of ['0', '', 'soon']) assert.equal(everyMs({ ...asked, WATCHDOG_USEC: never }), undefined);
});

test('where systemd cannot be told, that is said once, and mail passes', async () => {
  await using downstream = await ScriptedDownstream.start();
  const environment = { NOTIFY_SOCKET: '/nowhere/notify.sock', WATCHDOG_USEC: '100000' };
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 1 }, environment);
  await served.reload();
  assert.equal(served.of('systemd cannot be told').length, 1);
});

test('where the system has no memory for one notification, the next ones go out, and the service can be stopped', async () => {
  await using downstream = await ScriptedDownstream.start();
  const environment = { ...noMemoryFor('execFile', 1), NOTIFY_SOCKET: '/nowhere/notify.sock' };
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 1 }, environment);
  assert.match(JSON.stringify(served.of('systemd cannot be told')), /ENOMEM/);
  await served.reload();
  assert.equal(served.of('configuration reloaded').length, 1);
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
});
