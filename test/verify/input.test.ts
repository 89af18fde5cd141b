// The message to look at: line ends, mailbox files, limits, and what the proxy would not judge.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type InputLimits, parseMessage } from '../../src/verify/input.ts';

const limits: InputLimits = { messageBytes: 10_000, headerBytes: 1000, bareNewlines: 'normalize' };

function read(text: string, changes: Partial<InputLimits> = {}) {
  const { header, body } = parseMessage(Buffer.from(text, 'latin1'), { ...limits, ...changes });
  return { header: header.fields.map(({ raw }) => raw.toString('latin1')), body: body.toString('latin1') };
}

test('a message with CRLF line ends is taken as it is', () => {
  assert.deepEqual(read('A: 1\r\nB: 2\r\n 3\r\n\r\nbody\r\n'), {
    header: ['A: 1\r\n', 'B: 2\r\n 3\r\n'],
    body: 'body\r\n',
  });
});

test('a file with LF line ends is the same message, whatever the listener does with a bare LF', () => {
  for (const bareNewlines of ['normalize', 'reject', 'pass'] as const) {
    assert.deepEqual(read('A: 1\nB: 2\n 3\n\nbody\n', { bareNewlines }), {
      header: ['A: 1\r\n', 'B: 2\r\n 3\r\n'],
      body: 'body\r\n',
    });
  }
});

test('the first line of a mailbox file is left out, with either line end', () => {
  for (const start of ['From a@example.com Mon Jan  5 10:00:00 2026\n', 'From MAILER-DAEMON\r\n']) {
    assert.deepEqual(read(`${start}From: a@example.com\r\n\r\n`).header, ['From: a@example.com\r\n']);
  }
});

test('a message without an empty line is all header, one without header all body', () => {
  assert.deepEqual(read('A: 1\r\n'), { header: ['A: 1\r\n'], body: '' });
  assert.deepEqual(read('\r\nbody'), { header: [], body: 'body' });
  assert.deepEqual(read('A: 1'), { header: ['A: 1'], body: '' });
});

test('an empty input, or a mailbox file with nothing in it, is no message', () => {
  for (const text of ['', 'From a@example.com', 'From a@example.com\n']) {
    assert.throws(() => read(text), { name: 'VerifyError', kind: 'noInput' });
  }
});

test('a bare LF among CRLF is dealt with as the listener does', () => {
  const text = 'A: 1\r\n\r\none\ntwo\r\n';
  assert.equal(read(text).body, 'one\r\ntwo\r\n');
  assert.equal(read(text, { bareNewlines: 'pass' }).body, 'one\ntwo\r\n');
  assert.throws(() => read(text, { bareNewlines: 'reject' }), { kind: 'data', message: /550 5\.6\.11/ });
});

test('a lone dot on a line of its own after a bare LF is refused as the proxy does', () => {
  const text = 'A: 1\r\n\r\none\n.\r\nMAIL FROM:<x@example.com>\r\n';
  assert.throws(() => read(text, { bareNewlines: 'pass' }), { kind: 'data', message: /550 5\.6\.11/ });
});

test('a message over a limit is not judged, and the reply of the proxy is told', () => {
  assert.throws(() => read(`A: 1\r\n\r\n${'x'.repeat(10_000)}`), {
    kind: 'data',
    message: /552 5\.3\.4.* over 10000 bytes/,
  });
  assert.throws(() => read(`A: ${'x'.repeat(1000)}\r\n\r\n`), {
    kind: 'data',
    message: /552 5\.3\.4.*header section is over 1000 bytes/,
  });
  assert.throws(
    () => read(`${'A:\r\n'.repeat(10_001)}\r\n`, { headerBytes: 100_000, messageBytes: 100_000 }),
    {
      kind: 'data',
      message: /552 5\.3\.4.*header section is over 10000 fields/,
    },
  );
  assert.throws(() => read(`${'Received: x\r\n'.repeat(101)}\r\n`, { headerBytes: 10_000 }), {
    kind: 'data',
    message: /554 5\.4\.6.*100 Received/,
  });
});

test('a message at its limit, whose LF become CRLF, is over it: that is what the proxy would get', () => {
  assert.throws(() => read(`A: 1\n\n${'x\n'.repeat(4990)}`), { kind: 'data', message: /10000 bytes/ });
});
