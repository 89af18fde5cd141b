// Signals that mean nothing here, or the end: no process of ours opens a debugger or ends without a word.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { beginContent, finish, missing } from './support/load.ts';
import { isRunning, Served } from './support/served.ts';

const unheeded = ['SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const;

test('a signal to the primary that means nothing is a line in its log, and nothing else', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }]);
  for (const signal of unheeded) {
    served.signal(signal);
    await served.until(() => served.of('signal not heeded').at(-1)?.signal === signal);
  }
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
  assert.equal(served.stderr, '');
});

test('signals to workers and to the process of HTTP do nothing', async () => {
  await using downstream = await ScriptedDownstream.start();
  const settings = { workers: 1, http: '127.0.0.1:0' };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  await served.until(() => served.of('http listening').length === 1);
  using client = await beginContent(served.port());
  const children = served.workers();
  assert.equal(children.length, 2);
  for (const pid of children) {
    for (const signal of [...unheeded, 'SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'] as const) {
      process.kill(pid, signal);
    }
  }
  await finish(client, 'undisturbed');
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
  assert.deepEqual(missing(['undisturbed'], downstream), []);
  assert.deepEqual([...served.of('worker died'), ...served.of('http process died')], []);
  assert.equal(served.stderr, '');
});

test('SIGQUIT is the end as SIGTERM is: in order, and at once when one of them came before', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }]);
  using slow = await beginContent(served.port());
  slow.send('Subject: half a mess');
  using idle = await RawClient.connect(served.port());
  await idle.reply();
  const workers = served.workers();
  served.signal('SIGINT');
  assert.match((await idle.line()) ?? '', /^421 /);
  served.signal('SIGQUIT');
  assert.equal(await served.ended(), 131);
  assert.deepEqual([served.of('stopping').length, served.of('stopping')[0]?.signal], [1, 'SIGINT']);
  await served.until(() => !workers.some(isRunning));
});
