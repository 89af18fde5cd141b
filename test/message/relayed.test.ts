// Tests of the message as it goes downstream.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { HeaderCollector } from '../../src/message/header-section.ts';
import { relayed } from '../../src/message/relayed.ts';
import { Spool } from '../../src/message/spool.ts';

/** Takes a message in as a transaction does, and gives what goes downstream. */
async function pass(
  message: Buffer,
  added: readonly string[],
  rewrite: (name: string) => Buffer | undefined = () => undefined,
  memoryBytes = 1_000_000,
): Promise<{ chunks: Buffer[]; rewritten: string[] }> {
  await using spool = new Spool({ memoryBytes, directory: tmpdir() });
  const collector = new HeaderCollector(2_000_000);
  for (let start = 0; start < message.length; start += 50_000) {
    const chunk = message.subarray(start, start + 50_000);
    collector.push(chunk);
    await spool.append(chunk);
  }
  const result = relayed(spool, collector.section(), added, rewrite);
  const chunks: Buffer[] = [];
  for await (const chunk of result.chunks) chunks.push(Buffer.from(chunk));
  return { chunks, rewritten: result.rewritten.map((field) => field.raw.toString('latin1')) };
}

const added = ['Received: now\r\n', 'X-Text: \u00fc\r\n'];
const top = Buffer.from('Received: now\r\nX-Text: \u00fc\r\n', 'latin1');

const corpus: ReadonlyMap<string, Buffer> = new Map([
  ['usual', Buffer.from('Subject: x\r\n\r\nbody\r\n')],
  ['no header', Buffer.from('\r\nbody\r\n')],
  ['header only', Buffer.from('Subject: x\r\n')],
  ['header and empty line', Buffer.from('Subject: x\r\n\r\n')],
  ['empty', Buffer.alloc(0)],
  ['first line is no field', Buffer.from('Hello you\r\nSubject: x\r\n\r\nbody\r\n')],
  ['bare LF', Buffer.from('A: 1\nB: 2\n\nbody\n')],
  ['1 MB header line', Buffer.from(`A: ${'x'.repeat(1_000_000)}\r\n\r\nbody\r\n`)],
  ['1 MB body line', Buffer.from(`A: 1\r\n\r\n${'x'.repeat(1_000_000)}\r\n`)],
  ['NUL and 8-bit', Buffer.from('A: \0\xff\xfe\r\n\r\n\0\x80\r\n.\r\n', 'latin1')],
]);

for (const [what, message] of corpus) {
  test(`what goes downstream is the added fields and the message, byte for byte: ${what}`, async () => {
    for (const memoryBytes of [2_000_000, 0]) {
      const { chunks, rewritten } = await pass(message, added, undefined, memoryBytes);
      assert.ok(Buffer.concat(chunks).equals(Buffer.concat([top, message])));
      assert.deepEqual(rewritten, []);
    }
  });
}

test('removed fields go with their folding, everything else stays in its order', async () => {
  const message = Buffer.from('A: 1\r\nForged: x\r\n y\r\nB: 2\r\nforged: z\r\n\r\nForged: body\r\n');
  const { chunks, rewritten } = await pass(message, ['New: 0\r\n'], (name) =>
    name.toLowerCase() === 'forged' ? Buffer.alloc(0) : undefined,
  );
  assert.equal(Buffer.concat(chunks).toString(), 'New: 0\r\nA: 1\r\nB: 2\r\n\r\nForged: body\r\n');
  assert.deepEqual(rewritten, ['Forged: x\r\n y\r\n', 'forged: z\r\n']);
});

test('a message of usual size is one chunk, from memory and from the file', async () => {
  const message = Buffer.from(`Subject: x\r\n\r\n${'text\r\n'.repeat(5000)}`);
  assert.equal((await pass(message, added)).chunks.length, 1);
  assert.equal((await pass(message, added, undefined, 0)).chunks.length, 1);
});

test('nothing added to an empty message is nothing', async () => {
  assert.deepEqual((await pass(Buffer.alloc(0), [])).chunks, []);
});
