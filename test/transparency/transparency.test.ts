// Byte transparency: what arrives downstream is what was sent, under the fields that Postern adds.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

type Mode = 'normalize' | 'reject' | 'pass';

interface Sample {
  readonly name: string;
  readonly message: Buffer;
  /** What must arrive, where it is not what was sent. */
  readonly arrives?: Buffer;
  readonly modes?: readonly Mode[];
  readonly mailParameters?: string;
}

const every: readonly Mode[] = ['normalize', 'reject', 'pass'];
const bytes = (text: string) => Buffer.from(text, 'latin1');
const header = 'From: a@example.com\r\nSubject: corpus\r\n';

/** All byte values but CR and LF, on lines of different lengths. */
const eightBit = Buffer.concat(
  Array.from({ length: 300 }, (_, length) =>
    Buffer.concat([
      Buffer.from(Array.from({ length }, (__, i) => ((i * 7 + length) % 243) + 13 + (i % 3))),
      bytes('\r\n'),
    ]),
  ),
).map((byte, i, all) => {
  const lineEnd = (byte === 13 && all[i + 1] === 10) || (byte === 10 && all[i - 1] === 13);
  return (byte === 13 || byte === 10) && !lineEnd ? 1 : byte;
});

const samples: readonly Sample[] = [
  { name: 'an ordinary message', message: bytes(`${header}\r\nHello.\r\n`) },
  {
    name: '8-bit content',
    message: Buffer.concat([bytes(`${header}\r\n`), eightBit]),
    mailParameters: ' BODY=8BITMIME',
  },
  {
    name: 'an internationalized message (SMTPUTF8)',
    message: Buffer.from('From: Jürgen <jürgen@bücher.example>\r\nSubject: 件名\r\n\r\nGrüße 👋\r\n'),
    mailParameters: ' SMTPUTF8',
  },
  {
    name: 'dots at line starts',
    message: bytes(`${header}\r\n.\r\n..\r\n...\r\n.a\r\n..a\r\na.\r\n.`.concat('\r\n')),
  },
  { name: 'dots at the very start', message: bytes('.\r\n.\r\n') },
  { name: 'nothing but dots in the header section', message: bytes('.From: a@example.com\r\n\r\n.\r\n') },
  { name: 'no body', message: bytes(`${header}\r\n`) },
  { name: 'a header section only', message: bytes(header) },
  { name: 'no header section', message: bytes('\r\nOnly a body.\r\n') },
  { name: 'no field in the first line', message: bytes('Only text.\r\nMore: text\r\n\r\nAnd more.\r\n') },
  { name: 'empty lines only', message: bytes('\r\n\r\n\r\n') },
  { name: 'a line of 1 MB', message: bytes(`${header}\r\n${'x'.repeat(1_000_000)}\r\n`) },
  {
    name: 'a header field of 100 kB',
    message: bytes(`${header}X-Long: ${'y'.repeat(100_000)}\r\n\r\nbody\r\n`),
  },
  { name: 'NUL bytes', message: bytes(`${header}X-Nul: a\0b\r\n\r\n\0\0a\0\r\n\0\r\n`) },
  { name: 'blanks and tabs at line ends', message: bytes(`${header}X: y \t\r\n \t\r\n\r\nbody \t\r\n \r\n`) },
  {
    name: 'bare LF and CR, normalized',
    message: bytes(`${header}\r\none\ntwo\rthree\r\r\nfour\n\nfive\n.\n.six\r\n`),
    arrives: bytes(`${header}\r\none\r\ntwo three\r\nfour\r\n\r\nfive\r\n.\r\n.six\r\n`),
    modes: ['normalize'],
  },
  {
    name: 'a header section with bare LF, normalized',
    message: bytes('From: a@example.com\nSubject: x\n\nbody\r\n'),
    arrives: bytes('From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n'),
    modes: ['normalize'],
  },
  {
    name: 'every line end with a CR too many, normalized',
    message: bytes('From: a@example.com\r\r\nSubject: x\r\r\n\r\r\nTo: nobody\r\r\n'),
    arrives: bytes('From: a@example.com\r\nSubject: x\r\n\r\nTo: nobody\r\n'),
    modes: ['normalize'],
  },
  {
    name: 'bare LF and CR, passed',
    message: bytes(`${header}\r\none\ntwo\rthree\r\r\nfour\n\nfive\n.six\r.seven\r\n`),
    modes: ['pass'],
  },
  {
    name: '30 MB',
    message: Buffer.concat([
      bytes(`${header}\r\n`),
      Buffer.alloc(30_000_000, `.${'z'.repeat(75)}\r\n.\r\n`),
      bytes('\r\n'),
    ]),
  },
];

/** The message as it goes over the wire, by the plainest reading of RFC 5321 §4.5.2. */
function stuffed(message: Buffer): Buffer {
  return bytes(`${message.toString('latin1').replace(/^\./, '..').replaceAll('\r\n.', '\r\n..')}.\r\n`);
}

/** Sends bytes in pieces of uneven sizes, so that line ends and dots fall between them. */
function sendInPieces(client: RawClient, wire: Buffer): void {
  const largest = wire.length > 100_000 ? 65_521 : 23;
  for (let at = 0, size = 1; at < wire.length; at += size, size = (size % largest) + 1) {
    client.send(wire.subarray(at, at + size));
  }
}

/** Compares without printing megabytes. */
function same(actual: Buffer, expected: Buffer): void {
  if (expected.length < 2000) assert.equal(actual.toString('latin1'), expected.toString('latin1'));
  const digest = (data: Buffer) =>
    `${data.length} bytes, sha256 ${createHash('sha256').update(data).digest('hex')}`;
  assert.equal(digest(actual), digest(expected));
}

for (const { name, message, arrives = message, modes = every, mailParameters = '' } of samples) {
  for (const mode of modes) {
    test(`${name}: with bareNewlines: ${mode} the same bytes arrive`, async () => {
      await using downstream = await ScriptedDownstream.start();
      await using proxy = await RunningProxy.start({
        listener: { destinations: [downstream.destination], bareNewlines: mode },
        settings: { spool: { memory: '64KiB', messageLimit: '40MiB' } },
      });
      using client = await RawClient.connect(proxy.address);
      await client.reply();
      await client.ask('EHLO client.example');
      assert.match((await client.ask(`MAIL FROM:<a@example.com>${mailParameters}`)).join(), /^250 /);
      assert.match((await client.ask('RCPT TO:<b@example.com>')).join(), /^250 /);
      assert.match((await client.ask('DATA')).join(), /^354 /);
      sendInPieces(client, stuffed(message));
      assert.match((await client.reply()).join(), /^250 2\.0\.0 /);
      const data = downstream.messages[0]?.data ?? Buffer.alloc(0);
      same(data.subarray(data.length - arrives.length), arrives);
      const added = data.toString('latin1', 0, data.length - arrives.length);
      assert.match(added, /^Authentication-Results: (?:.+\r\n[ \t])*.+\r\nReceived: (?:.+\r\n[ \t])*.+\r\n$/);
    });
  }
}
