// Clients that trickle, never read or never end: each has a deadline, memory is bounded, and others are served meanwhile.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { heldBytes } from '../support/garbage.ts';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { CountingDownstream } from './counting-downstream.ts';
import { assertSafeLog } from './poisons.ts';

const patienceMs = 20_000;
/** An ordinary message passes within this, whatever others do. Usual are milliseconds, but not on a busy machine. */
const servedWithinMs = 5000;

const begin = 'EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n';

/** Says what it is told, whether anybody listens or not. */
class Hostile implements Disposable {
  readonly socket: Socket;
  heard = '';
  closed = false;

  constructor(proxy: RunningProxy) {
    this.socket = connect(proxy.address);
    this.socket
      .on('error', () => undefined)
      .on('close', () => {
        this.closed = true;
      });
  }

  listen(): void {
    this.socket.on('data', (chunk: Buffer) => {
      this.heard = (this.heard + chunk.toString('latin1')).slice(-1000);
    });
  }

  /** Sends pieces, with a pause after each, until the connection is closed. */
  async trickle(pieces: Iterable<string | Buffer>, pauseMs: number): Promise<number> {
    const begun = performance.now();
    for (const piece of pieces) {
      if (this.closed || performance.now() - begun > patienceMs) break;
      const more = this.socket.write(piece);
      if (pauseMs > 0 || !more) await after(pauseMs);
    }
    while (!this.closed && performance.now() - begun < patienceMs) await after(5);
    assert.ok(this.closed, 'the connection was never closed');
    return performance.now() - begun;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

function* forever<T>(piece: T): Generator<T> {
  for (;;) yield piece;
}

/** An ordinary message of somebody else. */
async function ordinary(proxy: RunningProxy): Promise<void> {
  using client = await RawClient.connect(proxy.address);
  await client.reply();
  client.send(begin);
  for (const code of ['250', '250', '250', '354']) {
    assert.equal((await client.reply())[0]?.slice(0, 3), code);
  }
  client.send('Subject: x\r\n\r\nHello.\r\n.\r\n');
  assert.equal((await client.reply())[0]?.slice(0, 3), '250');
}

/** The same where it may be put off instead. */
async function servedOrPutOff(proxy: RunningProxy): Promise<'served' | 'put off'> {
  using client = await RawClient.connect(proxy.address);
  await client.reply();
  await client.ask('EHLO client.example');
  const reply = (await client.ask('MAIL FROM:<a@example.com>')).join();
  if (!reply.startsWith('250')) {
    assert.match(reply, /^451 4\.4\.1 no downstream connection became free in time/);
    return 'put off';
  }
  client.send('RCPT TO:<b@example.com>\r\nDATA\r\n');
  for (const code of ['250', '354']) assert.equal((await client.reply())[0]?.slice(0, 3), code);
  client.send('Subject: x\r\n\r\nHello.\r\n.\r\n');
  assert.equal((await client.reply())[0]?.slice(0, 3), '250');
  return 'served';
}

/** Messages of others, one after the other, while `hostile` goes on; how long each took and how memory grew. */
async function meanwhile(
  proxy: RunningProxy,
  hostile: Promise<unknown>,
  message: (proxy: RunningProxy) => Promise<unknown> = ordinary,
): Promise<void> {
  const before = heldBytes();
  let over = false;
  let grown = 0;
  const end = hostile.finally(() => {
    over = true;
  });
  let served = 0;
  while (!over) {
    const begun = performance.now();
    await message(proxy);
    const took = performance.now() - begun;
    assert.ok(took < servedWithinMs, `an ordinary message took ${Math.round(took)} ms`);
    served += 1;
    grown = Math.max(grown, heldBytes() - before);
    await after(20);
  }
  await end;
  assert.ok(served > 0);
  assert.ok(grown < 64 * 1024 * 1024, `memory grew by ${Math.round(grown / 1024 / 1024)} MiB`);
}

type Limits = Readonly<Record<string, string | number>>;

async function hostileTo(
  limits: Limits,
  attack: (proxy: RunningProxy, downstream: CountingDownstream) => Promise<unknown>,
): Promise<RunningProxy['events']> {
  await using downstream = await CountingDownstream.start();
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination], limits },
    settings: { spool: { memory: '256KiB', messageLimit: '101MiB' } },
  });
  await ordinary(proxy);
  await meanwhile(proxy, attack(proxy, downstream));
  assertSafeLog(proxy, 'log');
  return proxy.events;
}

const soon = (ms: number, limitMs: number) => assert.ok(ms < limitMs, `it took ${Math.round(ms)} ms`);

test('a command that comes byte by byte has a time to end in', async () => {
  await hostileTo({ idle: '1s' }, async (proxy) => {
    using hostile = new Hostile(proxy);
    hostile.listen();
    soon(await hostile.trickle(forever('N'), 50), 10_000);
    assert.match(hostile.heard, /421 4\.4\.2 command took too long\r\n$/);
  });
});

test('a message that comes byte by byte has a time to end in', async () => {
  const events = await hostileTo({ idle: '1s', transaction: '1s' }, async (proxy) => {
    using hostile = new Hostile(proxy);
    hostile.listen();
    hostile.socket.write(begin);
    soon(await hostile.trickle(forever('x'), 50), 10_000);
    assert.match(hostile.heard, /421 4\.4\.2 transaction took too long\r\n$/);
  });
  assert.match(JSON.stringify(events), /transaction timeout/);
});

test('a client that says nothing is sent away', async () => {
  await hostileTo({ idle: '1s' }, async (proxy) => {
    using hostile = new Hostile(proxy);
    hostile.listen();
    soon(await hostile.trickle([''], 0), 10_000);
    assert.match(hostile.heard, /421 4\.4\.2 Timeout/);
  });
});

test('a PROXY header that comes byte by byte has a time to end in', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using proxy = await RunningProxy.start({
    listener: {
      destinations: [downstream.destination],
      proxyProtocol: ['127.0.0.1'],
      limits: { idle: '1s' },
    },
  });
  using hostile = new Hostile(proxy);
  hostile.listen();
  soon(await hostile.trickle(forever('P'), 50), 10_000);
  assert.equal(hostile.heard, '');
  assertSafeLog(proxy, 'log');
});

const neverReading: Readonly<Record<string, string>> = {
  commands: 'EHLO client.example\r\n'.repeat(1000),
  'commands that are too long': `${'x'.repeat(600)}\r\n`.repeat(100),
};

for (const [what, piece] of Object.entries(neverReading)) {
  test(`who sends ${what} and never reads a reply is waited for, and sent away`, async () => {
    await hostileTo({ idle: '2s', command: '512B' }, async (proxy) => {
      using hostile = new Hostile(proxy);
      hostile.socket.pause();
      await hostile.trickle(forever(Buffer.from(piece)), 0);
    });
  });
}

test('who sends messages and never reads what became of them is waited for, and sent away', async () => {
  // A reply of a megabyte: a few of them are more than sockets hold.
  const long = Array.from({ length: 256 }, (_, i) => `250${i === 255 ? ' ' : '-'}${'x'.repeat(4000)}`);
  await using downstream = await ScriptedDownstream.start({
    answers: { CONTENT: (_, { mail }) => (mail?.includes('greedy') ? long : undefined) },
  });
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination], limits: { idle: '2s' } },
  });
  await ordinary(proxy);
  const attack = async () => {
    using hostile = new Hostile(proxy);
    hostile.socket.pause();
    hostile.socket.write('EHLO client.example\r\n');
    const message = 'MAIL FROM:<greedy@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n.\r\n';
    await hostile.trickle(forever(Buffer.from(message.repeat(10))), 1);
  };
  await meanwhile(proxy, attack());
  const greedy = downstream.messages.filter(({ mail }) => mail.includes('greedy')).length;
  assert.ok(greedy > 0 && greedy < 100, `${greedy} messages without a reply that was read`);
  assertSafeLog(proxy, 'log');
});

test('more slow senders than downstream connections have others put off, not waiting for ever', async () => {
  const size = 4;
  await using downstream = await CountingDownstream.start();
  await using proxy = await RunningProxy.start({
    listener: {
      destinations: [downstream.destination],
      pool: { size, wait: '500ms' },
      limits: { idle: '2s', transaction: '4s' },
    },
  });
  await ordinary(proxy);
  const hostiles = Array.from({ length: 3 * size }, () => new Hostile(proxy));
  const attack = hostiles.map(async (hostile) => {
    using _ = hostile;
    hostile.listen();
    hostile.socket.write(begin);
    soon(await hostile.trickle(forever('x'), 50), 15_000);
  });
  const became = { served: 0, 'put off': 0 };
  await meanwhile(proxy, Promise.all(attack), async () => {
    became[await servedOrPutOff(proxy)] += 1;
    assert.ok(downstream.open <= size, `${downstream.open} downstream connections`);
  });
  // Each of them had one, and for as long as it was allowed to.
  const holding = hostiles.filter(({ heard }) => heard.includes('transaction took too long'));
  assert.ok(holding.length >= size, `${holding.length} held a connection`);
  assert.ok(became['put off'] > 0, JSON.stringify(became));
  assert.equal(await servedOrPutOff(proxy), 'served');
  assertSafeLog(proxy, 'log');
});

test('a client that sends ten thousand commands at once does not have all others wait for them', async () => {
  await using downstream = await CountingDownstream.start();
  await using proxy = await RunningProxy.start({ listener: { destinations: [downstream.destination] } });
  using greedy = await RawClient.connect(proxy.address);
  using modest = await RawClient.connect(proxy.address);
  await greedy.reply();
  await modest.reply();
  let answered = 0;
  greedy.send('NOOP\r\n'.repeat(10_000));
  const all = (async () => {
    for (; answered < 10_000; answered++) await greedy.reply();
  })();
  await modest.ask('NOOP');
  assert.ok(answered < 10_000, `${answered} were answered before`);
  await all;
  assertSafeLog(proxy, 'log');
});

const megabyte = Buffer.alloc(1024 * 1024, 'x');
interface Endless {
  readonly before: string;
  readonly pieces: readonly Buffer[];
  readonly reply: RegExp;
  /** How much of it arrives downstream, at least. */
  readonly arrives?: number;
}

const endless: Readonly<Record<string, Endless>> = {
  'a command line of 100 MB': {
    before: '',
    pieces: Array(100).fill(megabyte),
    reply: /^500 5\.5\.2 command line too long$/,
  },
  'a header field of 100 MB': {
    before: `${begin}Subject: `,
    pieces: Array(100).fill(megabyte),
    reply: /552 5\.3\.4/,
  },
  'a line of 100 MB in the body': {
    before: `${begin}Subject: x\r\n\r\n`,
    pieces: Array(100).fill(megabyte),
    reply: /250 2\.0\.0/,
    arrives: 100 * megabyte.length,
  },
  'a message over the limit': {
    before: `${begin}Subject: x\r\n\r\n`,
    pieces: Array(110).fill(megabyte),
    reply: /552 5\.3\.4/,
  },
  'a million header fields': {
    before: begin,
    pieces: Array(100).fill(Buffer.from('A: b\r\n'.repeat(10_000))),
    reply: /552 5\.3\.4/,
  },
  'a million empty lines': {
    before: begin,
    pieces: Array(100).fill(Buffer.from('\r\n'.repeat(10_000))),
    reply: /250 2\.0\.0/,
    arrives: 2 * 1_000_000,
  },
  'a million stuffed dots': {
    before: begin,
    pieces: Array(100).fill(Buffer.from('..\r\n'.repeat(10_000))),
    reply: /552 5\.3\.4/,
  },
};

for (const [what, { before, pieces, reply, arrives = 0 }] of Object.entries(endless)) {
  test(`${what} takes bounded memory, and others are served`, async () => {
    await hostileTo({}, async (proxy, downstream) => {
      using client = await RawClient.connect(proxy.address);
      client.send(before);
      for (const piece of pieces) {
        client.send(piece);
        await client.drained();
      }
      client.send('\r\n.\r\n');
      // Up to 354, where data comes: the downstream's replies to the envelope look like its reply to a message.
      const codes = before === '' ? ['220'] : ['220', '250', '250', '250', '354'];
      for (const code of codes) assert.equal((await client.reply()).at(-1)?.slice(0, 3), code);
      assert.match((await client.reply()).at(-1) ?? '', reply);
      assert.ok(downstream.bytes >= arrives, `${downstream.bytes} bytes arrived`);
      // What was refused does not arrive at all.
      if (arrives === 0) assert.ok(downstream.bytes < megabyte.length, `${downstream.bytes} bytes arrived`);
    });
  });
}
