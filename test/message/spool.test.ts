// Tests of the spool.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, watch } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SpoolBudget } from '../../src/message/budget.ts';
import { Spool, SpoolError } from '../../src/message/spool.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-spool-'));
});
after(() => rm(directory, { recursive: true, force: true }));

async function readAll(spool: Spool, fromByte?: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of spool.read(fromByte)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** Appends slices of pseudo-random sizes, as sockets cut them. */
async function appendInSlices(spool: Spool, bytes: Buffer, largest: number): Promise<void> {
  for (let start = 0, turn = 1; start < bytes.length; turn += 1) {
    const size = 1 + ((turn * 7919) % largest);
    await spool.append(bytes.subarray(start, start + size));
    start += size;
  }
}

test('a message within the limit is kept in memory and read back as often as wanted', async () => {
  await using spool = new Spool({ memoryBytes: 10, directory: '/nonexistent' });
  assert.equal(spool.append(Buffer.from('hello')), undefined);
  assert.equal(spool.append(Buffer.from('world')), undefined);
  assert.equal(spool.sizeBytes, 10);
  assert.equal((await readAll(spool)).toString(), 'helloworld');
  assert.equal((await readAll(spool, 3)).toString(), 'loworld');
  assert.equal((await readAll(spool, 10)).length, 0);
});

test('an empty message reads as nothing', async () => {
  await using spool = new Spool({ memoryBytes: 10, directory });
  assert.equal((await readAll(spool)).length, 0);
});

for (const [memoryBytes, largest] of [
  [0, 3000],
  [100_000, 300_000],
  [100_000, 70_000],
  [100_000, 700],
  [10_000_000, 700],
  [10_000_000, 70_000],
] as const) {
  test(`bytes come back unchanged with ${memoryBytes} in memory and slices up to ${largest}`, async () => {
    const bytes = randomBytes(600_001);
    await using spool = new Spool({ memoryBytes, directory });
    await appendInSlices(spool, bytes, largest);
    assert.equal(spool.sizeBytes, bytes.length);
    assert.ok((await readAll(spool)).equals(bytes));
    assert.ok((await readAll(spool, 123_457)).equals(bytes.subarray(123_457)));
    assert.ok((await readAll(spool)).equals(bytes));
  });
}

test('appends that nobody awaits are still written in order', async () => {
  const bytes = randomBytes(900_000);
  await using spool = new Spool({ memoryBytes: 1000, directory });
  const appended = [];
  for (let start = 0; start < bytes.length; start += 9000) {
    appended.push(spool.append(bytes.subarray(start, start + 9000)));
  }
  await Promise.all(appended);
  assert.ok((await readAll(spool)).equals(bytes));
});

test('the file has no name at any time: a process that is killed leaves nothing behind', async () => {
  const own = join(directory, 'own');
  await mkdir(own);
  const named: (string | null)[] = [];
  const seen = Promise.withResolvers<void>();
  const watcher = watch(own, (_event, name) => {
    named.push(name);
    if (name === 'last') seen.resolve();
  });
  await using spool = new Spool({ memoryBytes: 10, directory: own });
  await spool.append(Buffer.alloc(100));
  await writeFile(join(own, 'last'), '');
  await seen.promise;
  watcher.close();
  // The kernel tells of a file without a name by its number.
  assert.deepEqual(
    [...new Set(named)].filter((name) => !/^#[0-9]+$/.test(name ?? '')),
    ['last'],
  );
});

test('pieces read from the file are 64 KiB at most, and come in one buffer', async () => {
  await using spool = new Spool({ memoryBytes: 10, directory });
  await spool.append(Buffer.alloc(150_000));
  const sizes = [];
  const buffers = new Set();
  for await (const piece of spool.read()) {
    sizes.push(piece.length);
    buffers.add(piece.buffer);
  }
  assert.deepEqual(sizes, [65_536, 65_536, 18_928]);
  assert.equal(buffers.size, 1);
});

test('a message that is announced as too large for memory goes to the file from the beginning', async () => {
  for (const [expected, inMemory] of [
    [1_000_001, 0],
    [1_000_000, 500_000],
  ] as const) {
    const budget = new SpoolBudget(10_000_000);
    await using spool = new Spool({ memoryBytes: 1_000_000, directory, budget });
    spool.expect(expected);
    await spool.append(Buffer.alloc(500_000));
    assert.equal(budget.counts.memoryBytes, inMemory);
  }
});

test('once there is a file, what follows does not fill the memory again', async () => {
  const budget = new SpoolBudget(10_000_000);
  await using spool = new Spool({ memoryBytes: 1_000_000, directory, budget });
  await spool.append(Buffer.alloc(1_000_001));
  await spool.append(Buffer.alloc(65_537));
  assert.equal(budget.counts.memoryBytes, 0);
});

test('a directory that is not there is a SpoolError with path and cause, at this and later appends', async () => {
  await using spool = new Spool({ memoryBytes: 10, directory: join(directory, 'missing') });
  const failure = (error: unknown) => {
    assert.ok(error instanceof SpoolError);
    assert.match(error.message, /missing cannot be written: ENOENT/);
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOENT');
    return true;
  };
  await assert.rejects(async () => spool.append(Buffer.alloc(100)), failure);
  await assert.rejects(async () => spool.append(Buffer.alloc(300_000)), failure);
  await assert.rejects(() => readAll(spool), failure);
});

test('small slices of a large buffer do not keep it in memory', async () => {
  const large = Buffer.alloc(1_000_000, 'x');
  await using spool = new Spool({ memoryBytes: 20_000, directory });
  assert.equal(spool.append(large.subarray(500, 600)), undefined);
  assert.equal(spool.append(large.subarray(600, 10_600)), undefined);
  for await (const piece of spool.read()) assert.notEqual(piece.buffer, large.buffer);
});

test('disposing twice is fine, and a disposed spool is of no use', async () => {
  const spool = new Spool({ memoryBytes: 10, directory });
  const pending = spool.append(Buffer.alloc(100));
  await Promise.all([spool.dispose(), spool.dispose()]);
  await pending;
  await assert.rejects(async () => spool.append(Buffer.alloc(1)), SpoolError);
  await assert.rejects(() => readAll(spool), SpoolError);
});

const openFiles = () => readdirSync('/proc/self/fd').length;
const skip = process.platform === 'linux' ? false : 'no /proc/self/fd';

test('a spool that is disposed of while it writes leaves no file open, and has given all back', {
  skip,
}, async () => {
  const budget = new SpoolBudget(1_000_000);
  const spool = new Spool({ memoryBytes: 10, directory, budget });
  const before = openFiles();
  const pending = spool.append(Buffer.alloc(100));
  await spool.dispose();
  assert.deepEqual(budget.counts, { memoryBytes: 0, diskBytes: 0, messages: 0 });
  await pending;
  assert.deepEqual(budget.counts, { memoryBytes: 0, diskBytes: 0, messages: 0 });
  assert.equal(openFiles(), before);
});

test('a read that is under way when the spool is disposed of fails with a SpoolError', async () => {
  const spool = new Spool({ memoryBytes: 10, directory });
  await spool.append(Buffer.alloc(600_000));
  await assert.rejects(async () => {
    for await (const _ of spool.read()) await spool.dispose();
  }, SpoolError);
});
