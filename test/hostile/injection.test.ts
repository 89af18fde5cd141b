// What clients send stays data: no line of its own in commands, replies, header fields and the log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { assertSafeLog, body, converse, poisons, usual } from './poisons.ts';

/** Where a client puts poison, with a harmless word before it. */
interface Place {
  /** The command with the poison in the place of the usual one; without any, the message has it. */
  readonly command?: readonly [verb: keyof typeof usual, text: string];
  readonly message?: string;
  /** How the command is refused, by poison; all others are delivered. */
  readonly refused?: Readonly<Record<string, string>>;
  /** What the downstream is told of it. Default: the word, in the envelope, in XFORWARD or in the message. */
  readonly told?: string;
  /** What the fields on top say, where a check reads it. */
  readonly reported?: RegExp;
}

const refusedWith = (reply: string, poisoned: readonly string[]) =>
  Object.fromEntries(poisoned.map((what) => [what, reply]));

const withControls = refusedWith('501 5.5.4 control character in command', ['CR', 'NUL', 'terminal escape']);
const decodedControls = refusedWith('501 5.5.4 XFORWARD: control character', [
  'CR LF',
  'CR',
  'LF',
  'NUL',
  'terminal escape',
]);
/** Blanks end an address, but inside of quotes. */
const withBlanks = (verb: string) =>
  refusedWith(`501 5.5.4 ${verb}: a path like <user@example.com> was expected`, [
    'C1 controls',
    'UTF-8 line separator',
    'UTF-8 next line',
    'end of a comment',
    'a long text',
  ]);

/** A client does not end its command inside of it: what follows would be its next command, and rightly so. */
const oneLine = (poison: string) => !/\n/.test(poison);

function places(poison: string): Readonly<Record<string, Place>> {
  const xtext = Array.from(
    poison.slice(0, 60),
    (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
  const plain: Readonly<Record<string, Place>> = {
    HELO: {
      command: ['hello', `EHLO word${poison}`],
      refused: {
        ...withControls,
        ...refusedWith('501 5.5.4 EHLO needs a host name', ['a long word', 'a long text']),
      },
    },
    MAIL: {
      command: ['mail', `MAIL FROM:<"word${poison.replace(/["\\]/g, '\\$&')}"@example.com>`],
      refused: withControls,
    },
    'MAIL domain': {
      command: ['mail', `MAIL FROM:<a@word${poison}.example.com>`],
      refused: { ...withControls, ...withBlanks('MAIL') },
    },
    RCPT: {
      command: ['rcpt', `RCPT TO:<word${poison}@example.com>`],
      refused: { ...withControls, ...withBlanks('RCPT') },
    },
    parameter: {
      command: ['mail', `MAIL FROM:<a@example.com> ENVID=word${poison}`],
      refused: {
        ...withControls,
        ...refusedWith('501 5.5.4 MAIL: bad parameter', ['C1 controls', 'end of a comment']),
        ...refusedWith('501 5.5.4 MAIL: parameter Y given twice', ['a long text']),
        ...refusedWith('555 5.5.4 MAIL parameter YES is not offered', [
          'UTF-8 line separator',
          'UTF-8 next line',
        ]),
        ...refusedWith('555 5.5.4 MAIL parameter SPF is not offered', ['end of a quoted string']),
      },
    },
    'XFORWARD as it is': {
      command: ['xforward', `XFORWARD HELO=word${poison} NAME=word${poison}`],
      refused: {
        ...withControls,
        ...refusedWith('500 5.5.2 command line too long', ['a long word', 'a long text']),
        ...refusedWith('501 5.5.4 XFORWARD: unknown attribute', [
          'C1 controls',
          'UTF-8 line separator',
          'UTF-8 next line',
          'end of a comment',
          'end of a quoted string',
        ]),
        ...refusedWith('501 5.5.4 XFORWARD: control character in HELO', ['xtext']),
      },
    },
  };
  const forwarded = (attribute: string): Place => ({
    command: ['xforward', `XFORWARD ADDR=192.0.2.10 ${attribute}=word${xtext}`],
    refused: decodedControls,
  });
  return {
    ...(oneLine(poison) && plain),
    'XFORWARD HELO': forwarded('HELO'),
    'XFORWARD NAME': forwarded('NAME'),
    'XFORWARD IDENT': forwarded('IDENT'),
    'XFORWARD ADDR': {
      command: ['xforward', `XFORWARD ADDR=IPV6:fe80::1%word${xtext}`],
      refused: decodedControls,
      told: 'ADDR=IPV6:fe80::1',
    },
    From: { message: `From: "word${poison}" <a@${poison}.example>\r\n\r\nHello.\r\n`, reported: /dmarc=/ },
    'From domain': {
      message: `From: <a@"word${poison}">, =?utf-8?b?${btoa(poison)}?= <a@example.com>\r\n\r\nHello.\r\n`,
      reported: /dmarc=/,
    },
    'DKIM-Signature': {
      message: `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=word${poison}; s=${poison}; i=a@${poison}; h=from; bh=eA==; b=eA==\r\n${body}`,
      reported: /dkim=(?!none)/,
    },
    ARC: {
      message: `ARC-Seal: i=1; a=rsa-sha256; cv=none; d=word${poison}; s=s; b=eA==\r\nARC-Message-Signature: i=1; a=rsa-sha256; d=${poison}; s=s; h=from; bh=eA==; b=eA==\r\nARC-Authentication-Results: i=1; ${poison}; spf=pass\r\n${body}`,
      reported: /arc=(?!none)/,
    },
    Received: {
      message: `Received: from word${poison} (${poison}) by upstream.example (Postfix) with ESMTPSA id ${poison}\r\n${body}`,
    },
    'BIMI-Selector': { message: `BIMI-Selector: v=BIMI1; s=word${poison}\r\n${body}` },
    'List-Id': { message: `List-Id: <word${poison}>\r\nPrecedence: ${poison}\r\n${body}` },
  };
}

for (const [what, poison] of Object.entries(poisons)) {
  test(`${what} from a client stays where it was put`, async () => {
    await using downstream = await ScriptedDownstream.start();
    await using proxy = await RunningProxy.start({
      listener: { bareNewlines: 'pass', pool: { size: 2 }, destinations: [downstream.destination] },
      settings: { receivedSpf: true },
      zone: { 'example.com': { TXT: ['v=spf1 exists:%{l}.example.com exp=why.example.com -all'] } },
    });
    for (const [place, { command, message = body, refused, told, reported }] of Object.entries(
      places(poison),
    )) {
      const name = `${what} in ${place}`;
      const [verb, text] = command ?? [];
      // Where XFORWARD speaks, nothing is heard of HELO.
      const forwarding = verb === 'hello' ? { xforward: 'NOOP' } : {};
      const commands = { ...usual, ...forwarding, ...(verb && { [verb]: text }) };
      const { replies, messages, added } = await converse(
        proxy,
        downstream,
        name,
        Object.values(commands),
        message,
      );
      const refusal = refused?.[what];
      if (verb && refusal !== undefined) {
        const reply = replies[Object.keys(commands).indexOf(verb)]?.join() ?? '';
        assert.ok(reply.startsWith(refusal), `${name}: ${reply}`);
        // Without XFORWARD it is the message of nobody who is known; without the others there is none.
        assert.equal(messages.length, verb === 'xforward' ? 1 : 0, name);
        assert.ok(!downstream.commands.join().includes('word'), name);
        continue;
      }
      assert.match(replies.at(-1)?.join() ?? '', /^250 2\.0\.0 Ok: queued$/, name);
      const [arrived] = messages;
      assert.ok(arrived, name);
      const envelope = [arrived.mail, ...arrived.recipients, ...arrived.xforward].join('\n');
      const seen = command ? envelope : arrived.data.toString('latin1');
      assert.ok(seen.includes(told ?? 'word'), `${name} is not seen downstream: ${seen}`);
      assert.match(added.join(), reported ?? /^/, name);
      downstream.commands.length = 0;
    }
    assertSafeLog(proxy, what);
  });
}

/** Holds a transaction; the downstream is told whose it is. */
async function forwardedBy(client: RawClient, downstream: ScriptedDownstream): Promise<string> {
  for (const command of [usual.mail, usual.rcpt, 'DATA']) {
    assert.match((await client.ask(command)).join(), /^[23]5/, command);
  }
  client.send(`${body}.\r\n`);
  assert.match((await client.reply()).join(), /^250 /);
  return downstream.messages.at(-1)?.xforward.join('\n') ?? '';
}

test('who is not believed can neither forward nor pretend to be a proxy', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using proxy = await RunningProxy.start({
    listener: {
      destinations: [downstream.destination],
      clients: ['192.0.2.0/24'],
      proxyProtocol: ['127.0.0.1'],
    },
  });
  const headers = {
    'PROXY TCP4 198.51.100.7 127.0.0.1 5000 25': '198.51.100.7',
    'PROXY TCP6 2001:db8::7 ::1 5000 25': 'IPV6:2001:db8::7',
    'PROXY UNKNOWN': '127.0.0.1',
    'PROXY TCP4 198.51.100.7 127.0.0.1 5000 25\r\nPROXY TCP4 192.0.2.1 127.0.0.1 5000 25': '198.51.100.7',
    'proxy TCP4 198.51.100.7 127.0.0.1 5000 25 192.0.2.1': '198.51.100.7',
  };
  for (const [header, address] of Object.entries(headers)) {
    using client = await RawClient.connect(proxy.address);
    client.send(`${header}\r\n`);
    const [greeting = ''] = await client.reply();
    assert.match(greeting, /^220 /, header);
    if (header.includes('\r\n')) assert.match((await client.reply()).join(), /^500 /);
    assert.doesNotMatch((await client.ask('EHLO x')).join(), /XFORWARD/);
    assert.match((await client.ask('XFORWARD ADDR=192.0.2.1')).join(), /^550 5\.7\.1 /);
    assert.match((await client.ask('PROXY TCP4 192.0.2.1 127.0.0.1 5000 25')).join(), /^500 /);
    const forwarded = await forwardedBy(client, downstream);
    assert.ok(`${forwarded} `.includes(` ADDR=${address} `), `${header}: ${forwarded}`);
  }
  const broken = [
    'PROXY TCP4 192.0.2.1\0X-Injected 1 2 25',
    'PROXY TCP4 a\x1b[2J b 1 2',
    `PROXY ${'x'.repeat(2000)}`,
    'EHLO x',
  ];
  for (const header of broken) {
    using client = await RawClient.connect(proxy.address);
    client.send(`${header}\r\n`);
    for (let line = await client.line(); line !== undefined; line = await client.line()) {
      assert.doesNotMatch(line, /^220/, header);
    }
  }
  assertSafeLog(proxy, 'PROXY');
  assert.ok(downstream.commands.every((command) => !command.includes('192.0.2.1')));
  // What the same header and command do for those who are believed.
  using client = await RawClient.connect(proxy.address);
  client.send('PROXY TCP4 192.0.2.1 127.0.0.1 5000 25\r\n');
  await client.reply();
  assert.match((await client.ask('EHLO x')).join(), /XFORWARD/);
  assert.match((await client.ask('XFORWARD ADDR=192.0.2.99')).join(), /^250 /);
  assert.match(await forwardedBy(client, downstream), / ADDR=192\.0\.2\.99(?: |$)/);
});

test('a PROXY header from outside of proxyProtocol is a command that nobody knows', async () => {
  for (const proxyProtocol of [[], ['192.0.2.0/24']]) {
    await using downstream = await ScriptedDownstream.start();
    await using proxy = await RunningProxy.start({
      listener: { destinations: [downstream.destination], proxyProtocol },
    });
    using client = await RawClient.connect(proxy.address);
    client.send('PROXY TCP4 192.0.2.1 127.0.0.1 5000 25\r\n');
    assert.match((await client.reply()).join(), /^220 /);
    assert.match((await client.reply()).join(), /^500 5\.5\.2 unknown command$/);
    await client.ask('EHLO x');
    assert.match(await forwardedBy(client, downstream), / ADDR=127\.0\.0\.1(?: |$)/);
    assertSafeLog(proxy, 'PROXY');
  }
});
