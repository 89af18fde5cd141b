// `postern send` against servers that do as a test tells them: what it says, what it shows, what it concludes.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runSend } from '../../src/send/command.ts';
import { type DialogueLine, formatLine } from '../../src/send/dialogue.ts';
import type { SendOptions } from '../../src/send/request.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-send-'));
after(() => rmSync(directory, { recursive: true }));

/** Sends, and keeps what is shown. */
async function send(options: Partial<SendOptions> & Pick<SendOptions, 'server'>, file?: string) {
  const said: DialogueLine[] = [];
  const given = {
    from: 'a@example.com',
    to: ['b@example.net'],
    helo: 'test.example',
    timeout: '5s',
    ...options,
  };
  const answer = await runSend(file, given, (line) => said.push(line));
  return { ...answer, shown: said.map(formatLine) };
}

function write(name: string, content: string | Buffer): string {
  const file = join(directory, name);
  writeFileSync(file, content);
  return file;
}

test('a quick message is accepted, and both sides of the dialogue are shown', async () => {
  await using server = await ScriptedDownstream.start();
  const { outcome, problem, accepted, shown } = await send({
    server: `127.0.0.1:${server.port}`,
    subject: 'Grüße',
    body: 'Hello.\n.\nEnd',
  });
  assert.deepEqual([outcome, problem, accepted], ['accepted', undefined, ['b@example.net']]);
  assert.equal(shown[0], `* connected to 127.0.0.1:${server.port}`);
  for (const line of ['→ EHLO test.example', '→ RCPT TO:<b@example.net>', '→ DATA', '→ QUIT']) {
    assert.ok(shown.includes(line), line);
  }
  assert.ok(shown.some((line) => line.startsWith('← 250-')));
  const data = server.messages[0]?.data.toString() ?? '';
  assert.match(data, /^From: a@example\.com\r\nTo: b@example\.net\r\nSubject: =\?UTF-8\?/);
  assert.match(data, /\r\n\r\nHello\.\r\n\.\r\nEnd/);
});

test('a file goes as it is, with CRLF at the end of its lines, and what its bytes need is said to the server', async () => {
  await using server = await ScriptedDownstream.start();
  const file = write('eight.eml', 'From mailer Mon Jan  5 10:00:00 2026\nSubject: x\n\n.dot\nÜ\n');
  await send({ server: server.destination, from: '<>' }, file);
  assert.equal(server.messages[0]?.data.toString(), 'Subject: x\r\n\r\n.dot\r\nÜ\r\n');
  assert.equal(server.messages[0]?.mail, 'MAIL FROM:<> BODY=8BITMIME SIZE=24');
});

test('XFORWARD says what is given, as xtext, before MAIL', async () => {
  await using server = await ScriptedDownstream.start();
  const { shown, outcome } = await send({
    server: server.destination,
    xforwardAddr: '2001:db8::1',
    xforwardName: '[unavailable]',
    xforwardHelo: 'a b',
  });
  const command = 'XFORWARD NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 HELO=a+20b';
  assert.equal(outcome, 'accepted');
  assert.deepEqual(server.messages[0]?.xforward, [command]);
  assert.ok(shown.includes(`→ ${command}`));
  assert.ok(!shown.some((line) => line.includes('secret')));
});

test('a server that refuses XFORWARD gets no message', async () => {
  await using server = await ScriptedDownstream.start({ answers: { XFORWARD: () => '550 5.7.0 Not you' } });
  const { outcome, problem } = await send({ server: server.destination, xforwardAddr: '192.0.2.1' });
  assert.deepEqual([outcome, problem], ['refused', 'the server said 550 5.7.0 Not you']);
  assert.equal(server.commands.at(-1), 'QUIT');
  assert.equal(server.messages.length, 0);
});

test('LMTP answers for each recipient, and one that is put off counts most', async () => {
  const path = join(directory, 'lmtp.sock');
  await using server = await ScriptedDownstream.start({
    protocol: 'lmtp',
    path,
    answers: {
      CONTENT: (line) =>
        line.includes('full') ? '452 4.2.2 Full' : line.includes('gone') ? '550 5.1.1 Gone' : undefined,
    },
  });
  const to = ['gone@example.net', 'b@example.net', 'full@example.net'];
  const { outcome, accepted, refused } = await send({ server: `unix:${path}`, lmtp: true, to });
  assert.equal(server.commands[0], 'LHLO test.example');
  assert.equal(outcome, 'temporary');
  assert.deepEqual(accepted, ['b@example.net']);
  assert.deepEqual(refused, [
    { recipient: 'gone@example.net', reply: '550 5.1.1 Gone' },
    { recipient: 'full@example.net', reply: '452 4.2.2 Full' },
  ]);
});

test('STARTTLS wants a certificate that is valid, unless any will do', async () => {
  await using server = await ScriptedDownstream.start({ tls: 'starttls' });
  const address = `127.0.0.1:${server.port}`;
  const strict = await send({ server: address, tls: 'starttls' });
  assert.deepEqual(
    [strict.outcome, /certificate/.test(strict.problem ?? '')],
    ['broken', true],
    strict.problem,
  );
  const lax = await send({ server: address, tls: 'starttls', insecure: true });
  assert.equal(lax.outcome, 'accepted');
  assert.ok(lax.shown.some((line) => /^\* TLSv1\.3, TLS_\w+; the certificate is not valid: /.test(line)));
});

test('TLS from the start, and a server without STARTTLS that is asked for it', async () => {
  await using secure = await ScriptedDownstream.start({ tls: 'implicit' });
  const implicit = await send({ server: `127.0.0.1:${secure.port}`, tls: 'implicit', insecure: true });
  assert.equal(implicit.outcome, 'accepted');
  await using plain = await ScriptedDownstream.start({ answers: { OTHER: () => '502 5.5.1 No' } });
  const refused = await send({ server: `127.0.0.1:${plain.port}`, tls: 'starttls' });
  assert.ok(['refused', 'broken'].includes(refused.outcome), refused.outcome);
  assert.equal(plain.messages.length, 0);
});

test('what was refused, and whether for good, is what the outcome says', async () => {
  const cases = [
    [{ GREETING: () => '554 5.7.1 Go away' }, 'refused'],
    [{ GREETING: () => '421 4.3.2 Busy' }, 'temporary'],
    [{ MAIL: () => '451 4.3.0 Later' }, 'temporary'],
    [{ RCPT: () => '550 5.1.1 No such user' }, 'refused'],
    [{ CONTENT: () => '550-5.7.1 Spoofed\r\n550 5.7.1 Really' }, 'refused'],
    [{ CONTENT: () => 'close' as const }, 'broken'],
    [{ GREETING: () => 'HTTP/1.1 400 Bad Request' }, 'broken'],
    [{ QUIT: () => 'close' as const }, 'accepted'],
  ] as const;
  for (const [answers, expected] of cases) {
    await using server = await ScriptedDownstream.start({ answers });
    const { outcome, problem } = await send({ server: server.destination });
    assert.equal(outcome, expected, `${Object.keys(answers)}: ${problem}`);
    assert.ok(problem === undefined || !problem.includes('\n'), problem);
  }
});

test('a message over the server’s limit is refused without sending it', async () => {
  await using server = await ScriptedDownstream.start({ extensions: ['SIZE 10'] });
  const { outcome } = await send({ server: server.destination });
  assert.equal(outcome, 'refused');
  assert.equal(server.messages.length, 0);
});

test('where nobody listens there is no connection', async () => {
  const server = await ScriptedDownstream.start();
  const { port } = server;
  await server[Symbol.asyncDispose]();
  const closed = await send({ server: `127.0.0.1:${port}` });
  assert.deepEqual(
    [closed.outcome, closed.problem],
    ['unreachable', `no connection to 127.0.0.1:${port}: nobody listens there (ECONNREFUSED)`],
  );
  const missing = await send({ server: `unix:${join(directory, 'none.sock')}` });
  assert.equal(missing.outcome, 'unreachable');
});

test('a server that says nothing, and one that never ends its reply, are not waited for', async () => {
  await using silent = await ScriptedDownstream.start({ answers: { MAIL: () => 'stall' } });
  const stalled = await send({ server: silent.destination, timeout: '200ms' });
  assert.deepEqual([stalled.outcome, silent.messages.length], ['broken', 0]);
  const endless = createServer((socket) => {
    socket.on('error', () => {});
    const drip = setInterval(() => socket.write('2'), 20);
    socket.on('close', () => clearInterval(drip));
  });
  await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = endless.address() as { port: number };
    const { outcome } = await send({ server: `127.0.0.1:${port}`, timeout: '200ms' });
    assert.equal(outcome, 'broken');
  } finally {
    endless.close();
  }
});

test('what a server says never reaches the terminal as a control', async () => {
  await using server = await ScriptedDownstream.start({
    answers: { RCPT: () => '550 5.1.1 \x1b[2Jgone \u009b31m\x07' },
  });
  const { shown, problem } = await send({ server: server.destination });
  assert.ok(shown.some((line) => line.startsWith('← 550 5.1.1 \\x1b[2Jgone ')));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  assert.ok(shown.every((line) => !/[\x00-\x1f\x7f-\x9f]/.test(line)));
  assert.ok(problem?.includes('550 5.1.1'));
});

test('a long message is shown by its beginning and its size', async () => {
  await using server = await ScriptedDownstream.start();
  const message = `Subject: long\r\n\r\n${'x'.repeat(500)}\r\n${'line\r\n'.repeat(20_000)}`;
  const { shown } = await send({ server: server.destination }, write('long.eml', message));
  assert.ok(shown.length < 40, `${shown.length} lines`);
  assert.ok(shown.every((line) => line.length < 220));
  assert.ok(shown.includes(`→ . (${message.length} bytes)`));
  assert.equal(server.messages[0]?.data.length, message.length);
});

test('a command line that cannot be meant is a usage error, a message that is not there is no input', async () => {
  const server = '127.0.0.1:1';
  const wrong: readonly [Partial<SendOptions>, RegExp][] = [
    [{ server: 'mail example' }, /^--server: .*host:port/],
    [{ server: 'lmtp://127.0.0.1', lmtp: true }, /^--lmtp: /],
    [{ server, to: ['<>'] }, /^--to: /],
    [{ server, from: 'a@b\r\nRCPT TO:<c@d>' }, /^--from: /],
    [{ server, helo: 'a b' }, /^--helo: /],
    [{ server, timeout: '5' }, /^--timeout: .*60s/],
    [{ server, xforwardName: '' }, /^--xforward-name: /],
  ];
  for (const [options, message] of wrong) {
    await assert.rejects(send({ server, ...options }), { name: 'SendError', kind: 'usage', message });
  }
  await assert.rejects(send({ server, subject: 'x' }, 'file.eml'), { kind: 'usage' });
  await assert.rejects(send({ server }, join(directory, 'none.eml')), { kind: 'noInput' });
  await assert.rejects(send({ server }, write('empty.eml', '')), { kind: 'noInput', message: /empty/ });
});
