// The front door where a conversation as text cannot show it: sockets left behind, replies that must not wait, memory.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { listenerTls, RunningProxy, tlsFiles } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

const nowhere = 'smtp://127.0.0.1:1';

async function socketPath(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-listener-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return join(directory, 'in.sock');
}

test('a UNIX socket that a killed process has left behind is replaced', async (t) => {
  const path = await socketPath(t);
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert.ok(existsSync(path), 'the socket is left behind');
  await using proxy = await RunningProxy.start({
    listener: { listen: `unix:${path}`, destinations: [nowhere] },
  });
  using client = await RawClient.connect(proxy.address);
  assert.match((await client.line()) ?? '', /^220 /);
});

test('a UNIX socket that somebody listens on is not taken away', async (t) => {
  const path = await socketPath(t);
  const other = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => other.listen(path, resolve));
  t.after(() => other.close());
  await assert.rejects(
    RunningProxy.start({ listener: { listen: `unix:${path}`, destinations: [nowhere] } }),
    { code: 'EADDRINUSE' },
  );
  assert.ok(existsSync(path));
});

test('a final reply does not wait for a pipelined command behind it', async ({ mock }) => {
  const second = Promise.withResolvers<void>();
  await using downstream = await ScriptedDownstream.start({
    answers: {
      MAIL: async (line) => {
        if (line.includes('second')) await second.promise;
        return undefined;
      },
    },
  });
  await using proxy = await RunningProxy.start({ listener: { destinations: [downstream.destination] } });
  using client = await RawClient.connect(proxy.address);
  await client.line();
  await client.ask('EHLO client.example');
  // Nor for the time after which replies that are held back leave anyway.
  mock.timers.enable({ apis: ['setTimeout'] });
  client.send(
    'MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nSubject: x\r\n.\r\nMAIL FROM:<second@example.com>\r\n',
  );
  for (const code of ['250', '250', '354', '250']) {
    const [line] = await client.reply();
    assert.equal(line?.slice(0, 3), code);
  }
  second.resolve();
  assert.match((await client.line()) ?? '', /^250 2\.1\.0/);
});

test('replies to pipelined commands do not wait for a slow one behind them', async () => {
  const slow = Promise.withResolvers<void>();
  await using downstream = await ScriptedDownstream.start({
    answers: {
      RCPT: async (line) => {
        if (line.includes('slow')) await slow.promise;
        return undefined;
      },
    },
  });
  await using proxy = await RunningProxy.start({ listener: { destinations: [downstream.destination] } });
  using client = await RawClient.connect(proxy.address);
  await client.line();
  await client.ask('EHLO client.example');
  client.send('MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<slow@example.com>\r\n');
  assert.match((await client.line()) ?? '', /^250 2\.1\.0/);
  assert.match((await client.line()) ?? '', /^250 2\.1\.5/);
  slow.resolve();
  assert.match((await client.line()) ?? '', /^250 2\.1\.5/);
});

test('a connection without its PROXY header is counted among the open ones', async () => {
  await using proxy = await RunningProxy.start({
    listener: { destinations: [nowhere], proxyProtocol: ['127.0.0.1'] },
  });
  using client = await RawClient.connect(proxy.address);
  while (proxy.open === 0) await new Promise(setImmediate);
  assert.equal(proxy.open, 1);
  client.send('PROXY TCP4 192.0.2.1 127.0.0.1 1 25\r\n');
  await client.line();
  assert.equal(proxy.open, 1, 'once');
});

test('a client that says its last commands and closes its side at once hears the replies', async () => {
  await using proxy = await RunningProxy.start({ listener: { destinations: [nowhere] } });
  using client = await RawClient.connect(proxy.address);
  await client.line();
  client.finish('NOOP\r\nRSET\r\n');
  assert.match((await client.line()) ?? '', /^250 /);
  assert.match((await client.line()) ?? '', /^250 /);
});

test('a command that came in two pieces is not late any more when it is answered', async ({ mock }) => {
  await using proxy = await RunningProxy.start({ listener: { destinations: [nowhere] } });
  using client = await RawClient.connect(proxy.address);
  await client.line();
  mock.timers.enable({ apis: ['setTimeout'] });
  client.send('NOOP\r\nNO');
  assert.match((await client.line()) ?? '', /^250 /);
  client.send('OP\r\n');
  assert.match((await client.line()) ?? '', /^250 /);
  mock.timers.tick(24 * 60 * 60 * 1000);
  client.send('NOOP\r\n');
  assert.match((await client.line()) ?? '', /^250 /);
});

/** Says a whole message and closes its side before the downstream has said that DATA may come. */
async function leaveEarly(encrypted: boolean, lastWords: string) {
  const data = Promise.withResolvers<undefined>();
  await using downstream = await ScriptedDownstream.start({ answers: { DATA: () => data.promise } });
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination], tls: listenerTls },
    files: tlsFiles,
  });
  using client = await RawClient.connect(proxy.address);
  await client.line();
  if (encrypted) {
    await client.ask('STARTTLS');
    await client.secure();
  }
  await client.ask('EHLO client.example');
  for (const line of ['MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>', 'DATA']) await client.ask(line);
  client.finish(`Subject: x\r\n\r\n${lastWords}`);
  // What was sent later by somebody else has been read: so has this.
  using other = await RawClient.connect(proxy.address);
  await other.line();
  await other.ask('EHLO other.example');
  data.resolve(undefined);
  const heard: (string | undefined)[] = [];
  for (let line = await client.line(); line !== undefined; line = await client.line())
    heard.push(line.slice(0, 3));
  return { heard, stored: downstream.messages.length };
}

for (const encrypted of [false, true]) {
  const how = encrypted ? 'in TLS' : 'in plain text';
  test(`a client that closes its side behind QUIT, ${how}, hears what became of its message`, async () => {
    assert.deepEqual(await leaveEarly(encrypted, 'x\r\n.\r\nquit\r\n'), { heard: ['250', '221'], stored: 1 });
  });

  test(`a client that closes its side without QUIT, ${how}, is gone, and its message with it`, async () => {
    assert.deepEqual(await leaveEarly(encrypted, 'x\r\n.\r\nNOOP\r\n'), { heard: [], stored: 0 });
    assert.deepEqual(await leaveEarly(encrypted, 'QUIT\r\n'), { heard: [], stored: 0 }, 'it is content');
  });
}
