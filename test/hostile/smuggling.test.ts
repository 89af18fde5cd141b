// SMTP smuggling (CVE-2023-51764 and its siblings): whatever stands around a dot, no server behind sees a second message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { allEndings, type Ending, endOfData, LenientDownstream } from './lenient-downstream.ts';

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
  /** What RFC 5321 calls the end of data: then the rest is a second message, and rightly so. */
  readonly ended: boolean;
}

const samples: readonly Sample[] = Object.entries(places).flatMap(([place, before]) =>
  ends.flatMap((left) =>
    ends.flatMap((right) =>
      ['.', '..'].map((dots): Sample => {
        const sequence = `${around[left]}${dots}${around[right]}`;
        const ended = endOfData(before + sequence, []) !== undefined;
        return { name: `${left} ${dots} ${right} (${place})`, before, sequence, ended };
      }),
    ),
  ),
);

/** Begins a transaction, up to 354. */
async function begin(client: RawClient): Promise<void> {
  client.send('MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n');
  for (const code of ['250', '250', '354']) assert.equal((await client.reply())[0]?.slice(0, 3), code);
}

/** Sends the pieces so that each arrives by itself, and gives the final reply's code. */
async function finish(client: RawClient, pieces: readonly string[], ended: boolean): Promise<string> {
  for (const piece of pieces) {
    client.send(piece);
    await nextTurn();
    await nextTurn();
  }
  const code = (await client.reply())[0]?.slice(0, 3) ?? '';
  // The second transaction was the client's own: its replies come too.
  if (ended) for (let due = 4; due > 0; due--) await client.reply();
  return code;
}

async function connect(proxy: RunningProxy): Promise<RawClient> {
  const client = await RawClient.connect(proxy.address);
  await client.reply();
  await client.ask('EHLO client.example');
  return client;
}

/** What each server sees, where one mode is set. */
async function trySamples(mode: (typeof modes)[number], endings: readonly Ending[]): Promise<void> {
  await using downstream = await LenientDownstream.start(endings);
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination], bareNewlines: mode },
  });
  using client = await connect(proxy);
  for (const { name, before, sequence, ended } of samples) {
    const seen = downstream.senders.length;
    await begin(client);
    const code = await finish(client, [`${before}${sequence}${second}.\r\n`], ended);
    const senders = downstream.senders.slice(seen);
    const expected = [
      ...(code === '250' ? ['a@example.com'] : []),
      ...(ended ? ['smuggled@example.net'] : []),
    ];
    assert.deepEqual(senders, expected, `${name}: ${code}`);
    if (mode === 'normalize' || ended) assert.equal(code, '250', name);
    const bare = /(?<!\r)\n|\r(?!\n)/.test(before + sequence.replace(/^\.(?=[^.])/, ''));
    if (mode === 'reject' && !ended) assert.equal(code, bare ? '550' : '250', name);
  }
}

for (const mode of modes) {
  test(`with bareNewlines: ${mode} no lax server sees a message that was not sent`, async () => {
    // One server for each reading, and one that takes all of them.
    for (const endings of [...allEndings.map((ending) => [ending]), allEndings])
      await trySamples(mode, endings);
  });

  test(`with bareNewlines: ${mode} it is the same wherever the bytes are cut`, async () => {
    await using downstream = await LenientDownstream.start([]);
    await using proxy = await RunningProxy.start({
      listener: { destinations: [downstream.destination], bareNewlines: mode },
    });
    using client = await connect(proxy);
    for (const { name, before, sequence, ended } of samples) {
      if (ended) continue;
      const text = `${before}${sequence}${second}.\r\n`;
      const codes = new Set<string>();
      const arrived = new Set<string>();
      for (let cut = before.length; cut <= before.length + sequence.length + 1; cut++) {
        await begin(client);
        const seen = downstream.contents.length;
        codes.add(await finish(client, [text.slice(0, cut), text.slice(cut)], false));
        for (const content of downstream.contents.slice(seen)) {
          // A server that ends data at CRLF.CR ends it there as well, only a byte earlier.
          const left = content.slice(endOfData(content, allEndings));
          assert.ok(left === '' || left === '\n', `${name}, cut at ${cut}`);
          arrived.add(content.slice(content.indexOf('Subject: smuggled')));
        }
      }
      assert.equal(codes.size, 1, `${name}: ${[...codes]}`);
      assert.ok(arrived.size <= 1, name);
    }
  });
}

test('the removal of a field makes no end of data where there was none', async () => {
  await using downstream = await LenientDownstream.start(allEndings);
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination], bareNewlines: 'pass' },
  });
  using client = await connect(proxy);
  await begin(client);
  const forged = 'Authentication-Results: postern.example; dmarc=pass\r\n';
  const code = await finish(client, [`Subject: x\n${forged}..\r\n${second}.\r\n`], false);
  assert.equal(code, '550');
  assert.deepEqual(downstream.senders, []);
});
