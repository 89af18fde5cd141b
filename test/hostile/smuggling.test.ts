// SMTP smuggling (CVE-2023-51764 and its siblings): whatever stands around a dot, no server behind sees a second message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { RawClient } from '../support/raw-client.ts';
import { type ClientAddress, RunningProxy } from '../support/running-proxy.ts';
import { allEndings, type Ending, endOfData, LenientDownstream, lineEnds } from './lenient-downstream.ts';
import { assertSafeLog } from './poisons.ts';

const around = { CR: '\r', LF: '\n', CRLF: '\r\n', nothing: '' } as const;
const ends = Object.keys(around) as (keyof typeof around)[];
const modes = ['normalize', 'reject', 'pass'] as const;

/** What a smuggler puts behind the end that only one of the servers sees. */
const second =
  'MAIL FROM:<smuggled@example.net>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n';

/** Where in the message the dot stands; `at` is what comes before. */
const places = { start: '', header: 'Subject: x', body: 'Subject: x\r\n\r\nfirst' } as const;

interface Sample {
  readonly name: string;
  readonly before: string;
  /** The sequence around the dot. */
  readonly sequence: string;
  /** Whether a bare CR or LF is in it. */
  readonly bare: boolean;
  /** Whether a lax reader could take it for the end: a dot alone between line ends of which the first is bare. */
  readonly lax: boolean;
  /** What RFC 5321 calls the end of data: then the rest is a second message, and rightly so. */
  readonly ended: boolean;
}

const samples: readonly Sample[] = Object.entries(places).flatMap(([place, before]) =>
  ends.flatMap((left) =>
    ends.flatMap((right) =>
      ['.', '..'].map((dots): Sample => {
        const sequence = `${around[left]}${dots}${around[right]}`;
        const ended = endOfData(before + sequence, []) !== undefined;
        const name = `${left} ${dots} ${right} (${place})`;
        const bare = [left, right].some((end) => end === 'CR' || end === 'LF');
        const lax = (left === 'CR' || left === 'LF') && dots === '.' && right !== 'nothing';
        return { name, before, sequence, bare, lax, ended };
      }),
    ),
  ),
);

/** Begins a transaction, up to 354. */
async function begin(client: RawClient): Promise<void> {
  client.send('MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n');
  for (const code of ['250', '250', '354']) assert.equal((await client.reply())[0]?.slice(0, 3), code);
}

/** Sends the pieces so that each arrives by itself, and gives the final reply. */
async function finish(client: RawClient, pieces: readonly string[], ended: boolean): Promise<string> {
  for (const piece of pieces) {
    client.send(piece);
    await nextTurn();
    await nextTurn();
  }
  const reply = (await client.reply()).join();
  // The second transaction was the client's own: its replies come too.
  if (ended) for (let due = 4; due > 0; due--) await client.reply();
  return reply;
}

async function connect({ address }: { readonly address: ClientAddress }): Promise<RawClient> {
  const client = await RawClient.connect(address);
  await client.reply();
  await client.ask('EHLO client.example');
  return client;
}

const accepted = '250 2.0.0 Ok';
const refused = '550 5.6.11 message holds a bare CR or LF';

/** What the documents promise (`bareNewlines`). */
function promised(mode: (typeof modes)[number], { bare, lax, ended }: Sample): string {
  if (ended || mode === 'normalize') return accepted;
  return (mode === 'reject' ? bare : lax) ? refused : accepted;
}

/** What arrives of the bytes after 354, up to the end of data: RFC 5321 §4.5.2, and bare line ends as Postfix makes them. */
function arriving(mode: (typeof modes)[number], sent: string): string {
  const content = `\r\n${sent}`.replaceAll('\r\n.', '\r\n');
  const relayed =
    mode === 'normalize' ? content.replaceAll(/\r*\n|\r/g, (end) => (end === '\r' ? ' ' : '\r\n')) : content;
  return `${relayed.replaceAll('\r\n.', '\r\n..').slice(2)}.\r\n`;
}

for (const endings of allEndings) {
  const [left, right] = endings;
  test(`without a proxy, a server that ends data at ${left} . ${right} sees the second message`, async () => {
    await using downstream = await LenientDownstream.start([endings]);
    for (const before of Object.values(places)) {
      using client = await connect(downstream);
      downstream.senders.length = 0;
      await begin(client);
      await finish(client, [`${before}${lineEnds[left]}.${lineEnds[right]}${second}.\r\n`], true);
      assert.deepEqual(downstream.senders, ['a@example.com', 'smuggled@example.net']);
    }
  });
}

/** What is read from disk, stuffed and sent at a time. */
const pieceBytes = 64 * 1024;

/** What each server sees. */
async function trySamples(
  mode: (typeof modes)[number],
  endings: readonly Ending[],
  options: { readonly protocol?: 'lmtp'; readonly listener?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  await using downstream = await LenientDownstream.start(endings, options.protocol);
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination], bareNewlines: mode, ...options.listener },
  });
  using client = await connect(proxy);
  for (const sample of samples) {
    const { name, before, sequence, ended } = sample;
    downstream.senders.length = 0;
    await begin(client);
    const reply = await finish(client, [`${before}${sequence}${second}.\r\n`], ended);
    const expected = [
      ...(reply === accepted ? ['a@example.com'] : []),
      ...(ended ? ['smuggled@example.net'] : []),
    ];
    assert.deepEqual(downstream.senders, expected, `${name}: ${reply}`);
    assert.equal(reply, promised(mode, sample), name);
  }
  assertSafeLog(proxy, mode);
}

function cutAt(text: string, cuts: readonly number[]): string[] {
  return [...cuts, text.length].map((cut, i) => text.slice(cuts[i - 1] ?? 0, cut));
}

for (const mode of modes) {
  test(`with bareNewlines: ${mode} no lax server sees a message that was not sent`, async () => {
    // One server for each reading, and one that takes all of them.
    for (const endings of [...allEndings.map((ending) => [ending]), allEndings])
      await trySamples(mode, endings);
  });

  test(`with bareNewlines: ${mode} no store, no proxy filter and no deferred envelope changes that`, async () => {
    await trySamples(mode, allEndings, { protocol: 'lmtp' });
    await trySamples(mode, allEndings, { listener: { mode: 'before-queue' } });
    await trySamples(mode, allEndings, { listener: { envelope: 'deferred' } });
  });

  test(`with bareNewlines: ${mode} it is the same wherever the bytes are cut`, async () => {
    await using downstream = await LenientDownstream.start([]);
    await using proxy = await RunningProxy.start({
      listener: { destinations: [downstream.destination], bareNewlines: mode },
    });
    using client = await connect(proxy);
    for (const sample of samples) {
      const { name, before, sequence, ended } = sample;
      if (ended) continue;
      const text = `${before}${sequence}${second}.\r\n`;
      const from = before.length;
      const to = from + sequence.length + 1;
      const cuts = Array.from({ length: to - from + 1 }, (_, i) => [from + i]);
      for (const cut of [...cuts, cuts.flat()]) {
        await begin(client);
        downstream.contents.length = 0;
        const where = `${name}, cut at ${cut}`;
        assert.equal(await finish(client, cutAt(text, cut), false), promised(mode, sample), where);
        assert.equal(downstream.contents.length, promised(mode, sample) === accepted ? 1 : 0, where);
        for (const content of downstream.contents) {
          assert.ok(content.endsWith(`\r\n${arriving(mode, text.slice(0, -3))}`), where);
          // A server that ends data at CRLF.CR ends it there as well, only a byte earlier.
          const left = content.slice(endOfData(content, allEndings));
          assert.ok(left === '' || left === '\n', where);
        }
      }
    }
    assertSafeLog(proxy, mode);
  });

  test(`with bareNewlines: ${mode} it is the same where a piece of a message on disk ends`, async () => {
    await using downstream = await LenientDownstream.start([]);
    await using proxy = await RunningProxy.start({
      listener: { destinations: [downstream.destination], bareNewlines: mode },
      settings: { spool: { memory: '4KiB' } },
    });
    using client = await connect(proxy);
    for (const sample of samples) {
      const { name, before, sequence, ended } = sample;
      if (ended || before !== places.body) continue;
      // The body is read from where the header ends.
      const bodyBytes = before.length - before.indexOf('first');
      for (let shift = 0; shift <= sequence.length + 1; shift++) {
        const filler = 'x'.repeat(pieceBytes - bodyBytes - shift);
        await begin(client);
        downstream.contents.length = 0;
        const text: string = `${before}${filler}${sequence}${second}`;
        const where = `${name}, ${shift} bytes before the border`;
        assert.equal(await finish(client, [`${text}.\r\n`], false), promised(mode, sample), where);
        for (const content of downstream.contents)
          assert.ok(content.endsWith(`\r\n${arriving(mode, text)}`), where);
      }
    }
    assertSafeLog(proxy, mode);
  });
}

test('the end of data ends it wherever it is cut, and the next transaction begins there', async () => {
  await using downstream = await LenientDownstream.start([]);
  await using proxy = await RunningProxy.start({ listener: { destinations: [downstream.destination] } });
  using client = await connect(proxy);
  const first = 'Subject: x\r\n\r\nfirst\r\n';
  const text = `${first}.\r\n${second}.\r\n`;
  const around = Array.from({ length: 12 }, (_, i) => first.length - 4 + i);
  const everywhere = Array.from({ length: text.length - 1 }, (_, i) => i + 1);
  for (const cut of [...around.map((at) => [at]), around, everywhere]) {
    downstream.senders.length = 0;
    downstream.contents.length = 0;
    await begin(client);
    assert.equal(await finish(client, cutAt(text, cut), true), accepted, `cut at ${cut}`);
    assert.deepEqual(downstream.senders, ['a@example.com', 'smuggled@example.net'], `cut at ${cut}`);
    const [one = '', two = ''] = downstream.contents;
    assert.ok(one.endsWith(`\r\n${first}.\r\n`), `cut at ${cut}`);
    assert.ok(two.endsWith('\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n'), `cut at ${cut}`);
  }
  assertSafeLog(proxy, 'log');
});

test('the removal of a field makes no end of data where there was none', async () => {
  await using downstream = await LenientDownstream.start(allEndings);
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination], bareNewlines: 'pass' },
  });
  using client = await connect(proxy);
  await begin(client);
  const forged = 'Authentication-Results: postern.example; dmarc=pass\r\n';
  const reply = await finish(client, [`Subject: x\n${forged}..\r\n${second}.\r\n`], false);
  assert.equal(reply, refused);
  assert.deepEqual(downstream.senders, []);
  assertSafeLog(proxy, 'log');
});
