// A conversation with one downstream.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { sendContent } from '../../src/relay/content.ts';
import { type Destination, parseDestination } from '../../src/relay/destination.ts';
import { DownstreamError } from '../../src/relay/error.ts';
import { DownstreamSession, type SessionOptions } from '../../src/relay/session.ts';
import { defaultTimeouts } from '../../src/relay/timeouts.ts';
import { Wire } from '../../src/relay/wire.ts';
import type { Reply } from '../../src/smtp/reply.ts';
import {
  ScriptedDownstream,
  type ScriptedDownstreamOptions,
  testCertificate,
} from '../support/scripted-downstream.ts';

const options: SessionOptions = { helloName: 'postern.example' };

function destinationOf(text: string): Destination {
  const destination = parseDestination(text);
  assert.ok(typeof destination !== 'string', `${text}: ${destination}`);
  return destination;
}

function openTo(
  downstream: ScriptedDownstream,
  more: Partial<SessionOptions> = {},
): Promise<DownstreamSession> {
  return DownstreamSession.open(destinationOf(downstream.destination), { ...options, ...more });
}

/** A downstream, and a session to it. */
async function start(script: ScriptedDownstreamOptions = {}, more: Partial<SessionOptions> = {}) {
  const downstream = await ScriptedDownstream.start(script);
  const session = await openTo(downstream, more);
  return {
    downstream,
    session,
    async [Symbol.asyncDispose]() {
      session.destroy();
      await downstream.close();
    },
  };
}

/** Up to the 354. */
async function begin(session: DownstreamSession, ...recipients: string[]): Promise<readonly Reply[]> {
  const to = recipients.length > 0 ? recipients : ['b@example.net'];
  return Promise.all([
    session.command('MAIL FROM:<a@example.com>', 'mail'),
    ...to.map((recipient) => session.command(`RCPT TO:<${recipient}>`, 'rcpt')),
    session.command('DATA', 'data'),
  ]);
}

const text = (message: string) => [Buffer.from(message, 'latin1')];
const codes = (answers: readonly (Reply | DownstreamError)[]) =>
  answers.map((answer) => (answer instanceof DownstreamError ? answer.kind : answer.code));
const failsWith = (kind: string, message?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DownstreamError, `not a DownstreamError: ${error}`);
  assert.equal(error.kind, kind);
  if (message) assert.match(error.message, message);
  return true;
};

test('a message goes through with its envelope, and its bytes arrive as they are', async () => {
  await using it = await start();
  assert.equal(it.session.destination.protocol, 'smtp');
  assert.equal(it.session.extensions.get('SIZE'), '104857600');
  assert.equal(it.session.transactions, 0);
  assert.deepEqual(codes(await begin(it.session)), [250, 250, 354]);
  const answers = await it.session.content(text('Subject: x\r\n\r\n.\r\n..\xff\0\n.\n\r.\rend'), 1);
  assert.deepEqual(answers, [{ code: 250, lines: ['2.0.0 Ok: queued'] }]);
  const [message] = it.downstream.messages;
  assert.equal(message?.data.toString('latin1'), 'Subject: x\r\n\r\n.\r\n..\xff\0\n.\n\r.\rend\r\n');
  assert.equal(message?.mail, 'MAIL FROM:<a@example.com>');
  assert.deepEqual(message?.recipients, ['RCPT TO:<b@example.net>']);
  assert.equal(it.session.transactions, 1);
  assert.ok(it.session.usable && !it.session.inTransaction);
});

test('replies come back as they are: every line, every byte, any code', async () => {
  await using it = await start({
    answers: {
      MAIL: () => ['250-2.1.0 first', '250-', '250-\xe4 8-bit', '250 last '],
      RCPT: (line) => (line.includes('x@') ? ['450-4.2.1 later', '450 4.2.1'] : '550'),
    },
  });
  assert.deepEqual(await it.session.command('MAIL FROM:<>', 'mail'), {
    code: 250,
    lines: ['2.1.0 first', '', '\xe4 8-bit', 'last '],
  });
  assert.deepEqual(await it.session.command('RCPT TO:<x@y>', 'rcpt'), {
    code: 450,
    lines: ['4.2.1 later', '4.2.1'],
  });
  assert.deepEqual(await it.session.command('RCPT TO:<z@y>', 'rcpt'), { code: 550, lines: [''] });
  assert.ok(it.session.usable);
});

test('commands given without waiting go out at once where PIPELINING is offered', async () => {
  await using it = await start();
  const xforward = it.session.command('XFORWARD NAME=x', 'xforward');
  const replies = await begin(it.session, 'b@x', 'c@x');
  assert.deepEqual(codes([await xforward, ...replies]), [250, 250, 250, 250, 354]);
  assert.deepEqual(it.downstream.batches.slice(1), [
    ['XFORWARD NAME=x', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@x>', 'RCPT TO:<c@x>', 'DATA'],
  ]);
});

test('without PIPELINING each command waits for the reply to the one before, in order', async () => {
  await using it = await start({ extensions: ['8BITMIME'] });
  assert.deepEqual(codes(await begin(it.session, 'b@x', 'c@x')), [250, 250, 250, 354]);
  assert.deepEqual(it.downstream.batches, [
    ['EHLO postern.example'],
    ['MAIL FROM:<a@example.com>'],
    ['RCPT TO:<b@x>'],
    ['RCPT TO:<c@x>'],
    ['DATA'],
  ]);
});

test('nothing is sent behind DATA before its reply', async () => {
  await using it = await start();
  const replies = await Promise.all([
    it.session.command('DATA', 'data'),
    it.session.command('RSET', 'rset'),
    it.session.command('RSET', 'rset'),
  ]);
  assert.deepEqual(codes(replies), [554, 250, 250]);
  assert.deepEqual(it.downstream.batches.slice(1), [['DATA'], ['RSET', 'RSET']]);
});

test('a small message goes out in one write, final dot and all', async () => {
  await using it = await start();
  await begin(it.session);
  const chunks = Array.from({ length: 100 }, (_, i) => Buffer.from(`line ${i}\r\n`));
  await it.session.content(chunks, 1);
  assert.equal(it.downstream.messages[0]?.reads, 1);
});

test('a large message in small and large chunks arrives whole, whatever the backpressure', async () => {
  await using it = await start();
  await begin(it.session);
  const line = Buffer.from(`.${'x'.repeat(700)}\r\n`);
  const big = Buffer.concat(Array.from({ length: 5000 }, () => line));
  async function* chunks() {
    yield big;
    for (let from = 0; from < big.length; from += 10_007) yield big.subarray(from, from + 10_007);
  }
  assert.deepEqual(codes(await it.session.content(chunks(), 1)), [250]);
  assert.ok(it.downstream.messages[0]?.data.equals(Buffer.concat([big, big])));
});

test('a 250 right behind the 354 is no answer to the message, although it comes in a TLS record of its own', async () => {
  const heard: string[] = [];
  await using server = createTlsServer({ ...testCertificate, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.write('220 too.talkative.example\r\n');
    socket.on('data', (chunk) => {
      heard.push(chunk.toString('latin1'));
      const data = heard.at(-1) === 'DATA\r\n';
      socket.write(data ? '354 Go ahead\r\n' : '250 Ok\r\n');
      if (data) socket.write('250 2.0.0 again\r\n');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const destination = destinationOf(`smtps://127.0.0.1:${port}`);
  const session = await DownstreamSession.open(destination, {
    ...options,
    tls: { ca: testCertificate.cert },
  });
  const content = begin(session).then(() => session.content(text('Subject: x\r\n\r\nbody\r\n'), 1));
  assert.deepEqual(codes(await content), ['protocol']);
  assert.equal(heard.at(-1), 'DATA\r\n', 'nothing of the message has left');
  session.destroy();
});

for (const tls of [undefined, 'implicit'] as const) {
  test(`chunks that share a buffer have left when the next is asked for${tls ? ', over TLS' : ''}`, async () => {
    await using it = await start(tls ? { tls } : {}, { tls: { ca: testCertificate.cert } });
    await begin(it.session);
    const buffer = Buffer.alloc(100_000);
    const given: Buffer[] = [];
    async function* chunks() {
      for (let i = 0; i < 100; i++) {
        buffer.fill(`.${i}\r\n`);
        given.push(Buffer.from(buffer));
        yield buffer;
      }
    }
    it.downstream.pause();
    const answers = it.session.content(chunks(), 1);
    // Until nothing more goes into the socket.
    for (let [turns, before] = [0, 0]; turns < 100; turns = given.length === before ? turns + 1 : 0) {
      before = given.length;
      await new Promise(setImmediate);
    }
    assert.ok(given.length < 100);
    it.downstream.resume();
    assert.deepEqual(codes(await answers), [250]);
    assert.ok(it.downstream.messages[0]?.data.equals(Buffer.concat(given)));
  });
}

test('an empty message is one without a single byte', async () => {
  await using it = await start();
  await begin(it.session);
  await it.session.content([], 1);
  assert.equal(it.downstream.messages[0]?.data.length, 0);
});

test('LMTP: end of data is answered for each recipient, in order', async () => {
  await using it = await start({
    protocol: 'lmtp',
    answers: {
      CONTENT: (line) => (line.includes('full@') ? ['452-4.2.2 Over', '452 4.2.2 quota'] : undefined),
    },
  });
  assert.equal(it.session.destination.protocol, 'lmtp');
  assert.equal(it.downstream.commands[0], 'LHLO postern.example');
  await begin(it.session, 'b@x', 'full@x', 'c@x');
  const answers = await it.session.content(text('x'), 3);
  assert.deepEqual(codes(answers), [250, 452, 250]);
  assert.deepEqual(answers[1], { code: 452, lines: ['4.2.2 Over', '4.2.2 quota'] });
  assert.ok(it.session.usable);
});

test('LMTP: recipients whose reply is lost with the connection each have the error', async () => {
  await using it = await start({
    protocol: 'lmtp',
    answers: { CONTENT: (line) => (line.includes('c@') ? 'close' : undefined) },
  });
  await begin(it.session, 'b@x', 'c@x', 'd@x');
  assert.deepEqual(codes(await it.session.content(text('x'), 3)), [250, 'lost', 'lost']);
  assert.equal(it.session.usable, false);
});

test('a connection that is lost before the reply to the final dot is an error, never a reply', async () => {
  for (const how of ['close', 'reset'] as const) {
    await using it = await start({ answers: { CONTENT: () => how } });
    await begin(it.session);
    assert.deepEqual(codes(await it.session.content(text('x'), 1)), ['lost']);
  }
});

test('a refusal before the final dot ends the sending, and counts for every recipient', async () => {
  await using it = await start({
    protocol: 'lmtp',
    answers: { DURING: (size) => (Number(size) > 100_000 ? '552 5.3.4 Too big' : undefined) },
  });
  await begin(it.session, 'b@x', 'c@x');
  let given = 0;
  const returned = Promise.withResolvers<void>();
  async function* endless() {
    try {
      for (;;) {
        given += 1;
        yield Buffer.alloc(10_000, 'x');
        await new Promise(setImmediate);
      }
    } finally {
      returned.resolve();
    }
  }
  const answers = await it.session.content(endless(), 2);
  assert.deepEqual(answers, [
    { code: 552, lines: ['5.3.4 Too big'] },
    { code: 552, lines: ['5.3.4 Too big'] },
  ]);
  assert.ok(given > 5);
  await returned.promise;
  assert.equal(it.session.usable, false);
  await it.downstream.until(() => it.downstream.incomplete.length === 1);
  assert.equal(it.downstream.messages.length, 0);
});

test('a refusal before the final dot is heard also where the connection is reset behind it', async () => {
  await using it = await start();
  await begin(it.session);
  function* refused() {
    yield Buffer.alloc(65_536, 'x');
    it.downstream.say('552 5.3.4 Too big\r\n');
    it.downstream.disconnect('reset');
    for (let more = 0; more < 10; more++) yield Buffer.alloc(65_536, 'x');
  }
  assert.deepEqual(codes(await it.session.content(refused(), 1)), [552]);
});

test('a refusal that comes in the turn in which the final dot would leave counts, and the dot stays', async () => {
  const socket = new Socket();
  const wire = new Wire(socket, 'smtp://test');
  // Before what waits for the end of the turn, since it was asked for before.
  setImmediate(() => socket.emit('data', Buffer.from('552 5.3.4 Too big\r\n')));
  const answers = await sendContent(wire, text('x'), 2, defaultTimeouts, undefined);
  assert.deepEqual(codes(answers), [552, 552]);
  assert.equal(socket.bytesWritten, 0);
});

test('a refusal before the final dot is heard while the source has nothing to give', async () => {
  await using it = await start({ answers: { DURING: () => '421 4.3.2 Shutting down' } });
  await begin(it.session);
  async function* stuck() {
    yield Buffer.alloc(100_000, 'x');
    await new Promise<never>(() => {});
  }
  assert.deepEqual(codes(await it.session.content(stuck(), 1)), [421]);
});

test('a 250 before the final dot stands for nothing', async () => {
  await using it = await start({ answers: { DURING: () => '250 2.0.0 Got it' } });
  await begin(it.session);
  async function* stuck() {
    yield Buffer.alloc(100_000, 'x');
    await new Promise<never>(() => {});
  }
  assert.deepEqual(codes(await it.session.content(stuck(), 1)), ['protocol']);
});

test('a source that fails leaves the message without its final dot', async () => {
  await using it = await start();
  await begin(it.session);
  async function* broken() {
    yield Buffer.alloc(100_000, 'x');
    throw new Error('disk on fire');
  }
  await assert.rejects(it.session.content(broken(), 1), /disk on fire/);
  assert.equal(it.session.usable, false);
  await it.downstream.until(() => it.downstream.incomplete.length === 1);
  assert.equal(it.downstream.messages.length, 0);
});

test('a signal ends a message in its middle, without the final dot', async () => {
  await using it = await start();
  await begin(it.session);
  const controller = new AbortController();
  async function* endless() {
    yield Buffer.alloc(100_000, 'x');
    controller.abort();
    await new Promise<never>(() => {});
  }
  assert.deepEqual(codes(await it.session.content(endless(), 1, controller.signal)), ['lost']);
  await it.downstream.until(() => it.downstream.incomplete.length === 1);
});

test('after the final dot a signal changes nothing: what becomes of the message is heard', async () => {
  const controller = new AbortController();
  await using it = await start({
    answers: {
      CONTENT: () => {
        controller.abort();
        return undefined;
      },
    },
  });
  await begin(it.session);
  assert.deepEqual(codes(await it.session.content(text('x'), 1, controller.signal)), [250]);
  assert.ok(it.session.usable);
});

test('a reply that came in time counts, although this process was held up until later', async () => {
  await using it = await start(
    {
      answers: {
        CONTENT: () => {
          setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200));
          return undefined;
        },
      },
    },
    { timeouts: { endOfData: 100 } },
  );
  await begin(it.session);
  assert.deepEqual(codes(await it.session.content(text('x'), 1)), [250]);
  await new Promise(setImmediate);
  assert.ok(it.session.usable, 'nobody is late any more');
});

test('the time for RSET ends with its reply', async ({ mock }) => {
  await using it = await start();
  mock.timers.enable({ apis: ['setTimeout'] });
  assert.ok(await it.session.reset());
  mock.timers.tick(1_000_000);
  assert.ok(it.session.usable);
});

test('nothing of a block stays with the connection when it was taken', async () => {
  await using it = await start();
  const warnings: string[] = [];
  const onWarning = ({ message }: Error) => warnings.push(message);
  process.on('warning', onWarning);
  await begin(it.session);
  const block = Buffer.alloc(64 * 1024, 'x'.repeat(70).concat('\r\n'));
  assert.deepEqual(
    codes(
      await it.session.content(
        Array.from({ length: 20 }, () => block),
        1,
      ),
    ),
    [250],
  );
  await new Promise(setImmediate);
  process.off('warning', onWarning);
  assert.deepEqual(warnings, []);
});

test('421 is a reply like any other, and the last one', async () => {
  await using it = await start({ answers: { RCPT: () => '421 4.3.2 Going down' } });
  const [mail, rcpt, data] = [
    it.session.command('MAIL FROM:<a@x>', 'mail'),
    it.session.command('RCPT TO:<b@x>', 'rcpt'),
    it.session.command('DATA', 'data'),
  ];
  assert.equal((await mail).code, 250);
  assert.deepEqual(await rcpt, { code: 421, lines: ['4.3.2 Going down'] });
  assert.equal(it.session.usable, false);
  await assert.rejects(data, (error) => error instanceof DownstreamError && error.reply?.code === 421);
  await assert.rejects(it.session.command('RSET', 'rset'), failsWith('lost'));
});

test('what is not answered behind a 421 is lost with the connection, also where that stays open', async () => {
  await using it = await start(
    {
      answers: {
        MAIL: () => {
          it.downstream.say('421 4.4.2 Idle for too long\r\n');
          return 'stall';
        },
      },
    },
    { timeouts: { rcpt: 50 } },
  );
  const mail = it.session.command('MAIL FROM:<a@example.com>', 'mail');
  const rcpt = it.session.command('RCPT TO:<b@example.net>', 'rcpt');
  assert.equal((await mail).code, 421);
  await assert.rejects(rcpt, failsWith('lost', /said goodbye: 421 4\.4\.2 Idle for too long/));
});

test('421 ends the commands that were not sent yet', async () => {
  await using it = await start({ extensions: [], answers: { MAIL: () => '421 4.3.2 Going down' } });
  const mail = it.session.command('MAIL FROM:<a@x>', 'mail');
  const rcpt = it.session.command('RCPT TO:<b@x>', 'rcpt');
  assert.equal((await mail).code, 421);
  await assert.rejects(rcpt, failsWith('lost', /said goodbye: 421 4.3.2 Going down/));
});

test('a rejection that nobody looks at harms nobody', async () => {
  await using it = await start({ answers: { MAIL: () => 'close' } });
  const mail = it.session.command('MAIL FROM:<a@x>', 'mail');
  void it.session.command('RCPT TO:<b@x>', 'rcpt');
  await assert.rejects(mail, failsWith('lost'));
});

test('garbage, an endless line and an endless reply are protocol errors', async () => {
  const endless = Array.from({ length: 400 }, () => '250-more');
  for (const answer of ['hello there', 'x'.repeat(5000), endless, ['250-a', '550 b']]) {
    await using it = await start({ answers: { MAIL: () => answer } });
    await assert.rejects(it.session.command('MAIL FROM:<a@x>', 'mail'), failsWith('protocol'));
    assert.equal(it.session.usable, false);
  }
});

test('a reply before the garbage is still a reply', async () => {
  await using it = await start({ answers: { CONTENT: () => ['250 2.0.0 queued', 'garbage'] } });
  await begin(it.session);
  assert.deepEqual(codes(await it.session.content(text('x'), 1)), [250]);
  assert.equal((await it.session.ended).kind, 'protocol');
});

test('a reply that nobody asked for makes an idle session unusable', async () => {
  await using it = await start();
  it.downstream.say('250 2.0.0 By the way\r\n');
  assert.equal((await it.session.ended).kind, 'protocol');
  assert.equal(it.session.usable, false);
});

test('a goodbye or an end on an idle session makes it unusable', async () => {
  await using first = await start();
  first.downstream.say('421 4.4.2 Idle for too long\r\n');
  const farewell = await first.session.ended;
  assert.deepEqual([farewell.kind, farewell.reply?.code], ['lost', 421]);
  for (const how of ['end', 'reset'] as const) {
    await using it = await start();
    it.downstream.disconnect(how);
    assert.equal((await it.session.ended).kind, 'lost');
    assert.equal(it.session.usable, false);
  }
});

test('a refused connection, greeting or EHLO is a failure to connect, with the reply', async () => {
  const gone = await ScriptedDownstream.start();
  const nowhere = destinationOf(gone.destination);
  await gone.close();
  await assert.rejects(DownstreamSession.open(nowhere, options), failsWith('connect', /ECONNREFUSED/));
  for (const [verb, line] of [
    ['GREETING', '421 4.3.2 Too many'],
    ['GREETING', '554 5.7.1 Not you'],
    ['EHLO', '421 4.3.2 No'],
    ['EHLO', '451 4.3.0 No'],
  ] as const) {
    await using downstream = await ScriptedDownstream.start({ answers: { [verb]: () => line } });
    await assert.rejects(openTo(downstream), (error) => {
      assert.ok(error instanceof DownstreamError);
      assert.equal(error.kind, 'connect');
      assert.equal(error.reply?.code, Number(line.slice(0, 3)));
      assert.match(error.message, new RegExp(line));
      return true;
    });
    await downstream.until(() => downstream.open === 0);
  }
});

test('HELO follows where EHLO is unknown; LHLO has no such second try', async () => {
  await using old = await start({ answers: { EHLO: () => '502 5.5.1 What?' } });
  assert.deepEqual(old.downstream.commands, ['EHLO postern.example', 'HELO postern.example']);
  assert.equal(old.session.extensions.size, 0);
  assert.deepEqual(codes(await begin(old.session)), [250, 250, 354]);
  await using downstream = await ScriptedDownstream.start({
    protocol: 'lmtp',
    answers: { LHLO: () => '500 5.5.1 What?' },
  });
  await assert.rejects(openTo(downstream), failsWith('connect', /LHLO with 500/));
});

test('each step has a deadline', async () => {
  const timeouts = {
    greeting: 30,
    ehlo: 30,
    mail: 30,
    rcpt: 30,
    data: 30,
    endOfData: 30,
    rset: 30,
    quit: 30,
  };
  for (const verb of ['GREETING', 'EHLO'] as const) {
    await using downstream = await ScriptedDownstream.start({ answers: { [verb]: () => 'stall' } });
    await assert.rejects(
      openTo(downstream, { timeouts }),
      failsWith('connect', /did not answer within 30 ms/),
    );
  }
  for (const verb of ['MAIL', 'RCPT', 'DATA', 'RSET', 'QUIT'] as const) {
    await using it = await start({ answers: { [verb]: () => 'stall' } }, { timeouts });
    const phase = { MAIL: 'mail', RCPT: 'rcpt', DATA: 'data', RSET: 'rset', QUIT: 'quit' } as const;
    await assert.rejects(it.session.command(verb, phase[verb]), failsWith('timeout'));
    assert.equal(it.session.usable, false);
  }
  await using it = await start({ answers: { CONTENT: () => 'stall' } }, { timeouts });
  await begin(it.session);
  assert.deepEqual(codes(await it.session.content(text('x'), 1)), ['timeout']);
});

test('a downstream that takes no more of the message has a deadline', async () => {
  const never = Promise.withResolvers<undefined>();
  await using it = await start(
    // While its script thinks, the server reads on; so its socket is told to stop.
    { answers: { DURING: () => never.promise } },
    { timeouts: { content: 50 } },
  );
  await begin(it.session);
  it.downstream.pause();
  async function* endless() {
    for (;;) yield Buffer.alloc(65_536, 'x');
  }
  assert.deepEqual(codes(await it.session.content(endless(), 1)), ['timeout']);
  never.resolve(undefined);
});

test('opening can be given up', async () => {
  await using downstream = await ScriptedDownstream.start({ answers: { GREETING: () => 'stall' } });
  const controller = new AbortController();
  const opening = DownstreamSession.open(destinationOf(downstream.destination), options, controller.signal);
  await downstream.until(() => downstream.connections === 1);
  controller.abort();
  await assert.rejects(opening, failsWith('connect'));
  await downstream.until(() => downstream.open === 0);
});

test('a command with a line end is refused before it is sent', async () => {
  await using it = await start();
  await assert.rejects(it.session.command('MAIL FROM:<a@x>\r\nRCPT TO:<b@x>', 'mail'), TypeError);
  await assert.rejects(it.session.content(text('x'), 1), TypeError);
  assert.ok(it.session.usable);
});

test('QUIT ends the session', async () => {
  await using it = await start();
  await it.session.quit();
  assert.equal(it.session.usable, false);
  await it.downstream.until(() => it.downstream.open === 0);
  assert.equal(it.downstream.commands.at(-1), 'QUIT');
});

test('UNIX sockets carry SMTP and LMTP', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-'));
  try {
    for (const protocol of ['smtp', 'lmtp'] as const) {
      await using it = await start({ protocol, path: join(directory, `${protocol}.sock`) });
      await begin(it.session);
      assert.deepEqual(codes(await it.session.content(text('x'), 1)), [250]);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('TLS, from the beginning or by STARTTLS, carries a message to whom the certificate names', async () => {
  for (const tls of ['implicit', 'starttls'] as const) {
    await using it = await start({ tls }, { tls: { ca: testCertificate.cert } });
    await begin(it.session);
    assert.deepEqual(codes(await it.session.content(text('x'), 1)), [250]);
    assert.equal(it.session.extensions.has('STARTTLS'), false);
  }
});

test('STARTTLS is followed by another EHLO', async () => {
  await using it = await start({ tls: 'starttls' }, { tls: { ca: testCertificate.cert } });
  assert.deepEqual(it.downstream.commands, ['EHLO postern.example', 'STARTTLS', 'EHLO postern.example']);
});

test('a certificate that nobody vouches for is refused, unless it need not be valid', async () => {
  for (const tls of ['implicit', 'starttls'] as const) {
    await using downstream = await ScriptedDownstream.start({ tls });
    await assert.rejects(openTo(downstream), failsWith('connect', /certificate/));
    const lenient = destinationOf(`${downstream.destination}${tls === 'implicit' ? '?' : '&'}verify=no`);
    const session = await DownstreamSession.open(lenient, options);
    assert.ok(session.usable);
    session.destroy();
  }
});

test('why there is no TLS is told in words, and with what can be done', async () => {
  await using selfSigned = await ScriptedDownstream.start({ tls: 'starttls' });
  await assert.rejects(
    openTo(selfSigned),
    failsWith('connect', /: TLS: self-signed certificate; a file that NODE_EXTRA_CA_CERTS names can add it$/),
  );
  await using plain = await ScriptedDownstream.start();
  await assert.rejects(
    DownstreamSession.open(destinationOf(`smtps://127.0.0.1:${plain.port}`), options),
    failsWith('connect', /: TLS: wrong version number; what the server says is no TLS$/),
  );
  for (const [settings, text] of [
    [
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      /: TLS: tlsv1 alert protocol version; the server takes neither TLS 1\.2 nor 1\.3$/,
    ],
    // It is told after the handshake, as TLS 1.3 has it.
    [
      { requestCert: true, rejectUnauthorized: true },
      /lost the connection: tlsv13 alert certificate required$/,
    ],
  ] as const) {
    const server = createTlsServer({ ...testCertificate, ...settings }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const lenient = destinationOf(`smtps://127.0.0.1:${port}?verify=no`);
    try {
      await assert.rejects(DownstreamSession.open(lenient, options), failsWith('connect', text));
    } finally {
      server.close();
    }
  }
});

test('where STARTTLS is asked for, there is no connection without it', async () => {
  await using without = await ScriptedDownstream.start();
  const destination = destinationOf(`${without.destination}?starttls=yes`);
  await assert.rejects(
    DownstreamSession.open(destination, options),
    failsWith('connect', /does not offer STARTTLS/),
  );
  await using refusing = await ScriptedDownstream.start({
    tls: 'starttls',
    answers: { STARTTLS: () => '454 4.7.0 Not now' },
  });
  await assert.rejects(openTo(refusing), failsWith('connect', /STARTTLS with 454/));
});

test('plain text behind the reply to STARTTLS is not taken for what TLS says', async () => {
  for (const injected of ['250 2.0.0 injected', '250-inj']) {
    await using downstream = await ScriptedDownstream.start({
      tls: 'starttls',
      answers: { STARTTLS: () => ['220 2.0.0 Ready', injected] },
    });
    await assert.rejects(openTo(downstream, { tls: { ca: testCertificate.cert } }), failsWith('connect'));
  }
});
