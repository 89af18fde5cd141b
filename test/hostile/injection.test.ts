// What strangers send stays data: no line of its own in commands, replies, header fields and the log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineWriter } from '../../src/telemetry/log-line.ts';
import { NameServer } from '../support/name-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

/** What would be a line, an escape or a result of its own if somebody took it for more than a text. */
const poisons: Readonly<Record<string, string>> = {
  'CR LF': '\r\nX-Injected: yes\r\n',
  CR: '\rX-Injected: yes',
  LF: '\nX-Injected: yes',
  NUL: 'a\0X-Injected: yes',
  'terminal escape': '\x1b]0;X-Injected\x07\x1b[2J',
  'C1 controls': '\x85X-Injected: yes\x9b2J',
  'UTF-8 line separator': '\xe2\x80\xa8X-Injected: yes',
  'UTF-8 next line': '\xc2\x85X-Injected: yes',
  'UTF-8 right-to-left override': '\xe2\x80\xaeX-Injected',
  'encoded word': '=?utf-8?q?=0D=0AX-Injected:_yes?=',
  'percent encoding': '%0d%0aX-Injected:%20yes',
  xtext: '+0D+0AX-Injected:+20yes',
  'end of a comment': '"); dkim=pass header.d=forged.example (',
  'end of a quoted string': '\\"; spf=pass; x="',
  'a long word': 'x'.repeat(1500),
  'a long text': 'x y '.repeat(400),
};

const replyLine = /^[2-5][0-9]{2}[ -][\t\x20-\x7e\x80-\xff]*$/;
const commandLine = /^(?:EHLO|XFORWARD|MAIL FROM:|RCPT TO:|DATA$|RSET$|QUIT$|NOOP$)[\t\x20-\x7e\x80-\xff]*$/;
const ownField = /^(?:Authentication-Results|Received-SPF|Received): /;

/** Lines end with CRLF alone, and each is a field of ours or goes on with one. */
function assertOwnFields(added: string, name: string): void {
  const lines = added.split('\r\n');
  assert.equal(lines.pop(), '', name);
  assert.ok(lines.length > 2, name);
  for (const line of lines) {
    assert.match(line, /^[\t\x20-\x7e\x80-\xff]*$/, name);
    assert.ok(ownField.test(line) || /^[ \t]+\S/.test(line), `${name}: ${line}`);
    assert.ok(line.length <= 998, name);
    // Bytes over 127 are UTF-8, and none of its controls.
    assert.doesNotMatch(Buffer.from(line, 'latin1').toString('utf8'), /[\p{Cc}\u2028\u2029\u202e]/u, name);
  }
}

/** As it leaves in either format: one line, which a terminal does not obey. */
function assertSafeLog(proxy: RunningProxy, name: string): void {
  for (const { level, event, fields } of proxy.events) {
    for (const format of ['json', 'text'] as const) {
      const line = lineWriter(format)(level === 'error' ? 'error' : 'info', event, fields);
      assert.doesNotMatch(line, /[\p{Cc}\u2028\u2029\u202e]/u, name);
      assert.ok(Buffer.byteLength(line) <= 8192, name);
      if (format === 'json') assert.equal(JSON.parse(line).event, event, name);
    }
  }
}

/** Holds one transaction; the places for poison are the parameters. */
async function converse(
  proxy: RunningProxy,
  downstream: ScriptedDownstream,
  name: string,
  commands: readonly string[],
  message: string,
): Promise<void> {
  using client = await RawClient.connect(proxy.address);
  const lines = [...(await client.reply())];
  for (const command of commands) lines.push(...(await client.ask(command)));
  const data = await client.ask('DATA');
  lines.push(...data);
  const before = downstream.messages.length;
  if (data[0]?.startsWith('354')) {
    client.send(`${message.replaceAll('\r\n.', '\r\n..')}.\r\n`);
    lines.push(...(await client.reply()));
  }
  lines.push(...(await client.ask('QUIT')));
  assert.equal(await client.line(), undefined, `${name}: more replies than commands`);
  for (const line of lines) assert.match(line, replyLine, name);
  for (const command of downstream.commands) assert.match(command, commandLine, name);
  for (const { data: relayed } of downstream.messages.slice(before)) {
    assert.ok(relayed.subarray(-message.length).equals(Buffer.from(message, 'latin1')), name);
    assertOwnFields(relayed.toString('latin1', 0, relayed.length - message.length), name);
  }
}

const usual = {
  hello: 'EHLO upstream.example',
  xforward: 'XFORWARD NAME=client.example.com ADDR=192.0.2.10 HELO=client.example.com',
  mail: 'MAIL FROM:<a@example.com>',
  rcpt: 'RCPT TO:<b@example.com>',
};
const body = 'From: a@example.com\r\nSubject: x\r\n\r\nHello.\r\n';
/** A client does not end its command inside of it: what follows would be its next command, and rightly so. */
const oneLine = (poison: string) => !/\n/.test(poison);

/** In each place of a conversation. */
function conversations(poison: string): [place: string, commands: Partial<typeof usual>, message: string][] {
  const xtext = Array.from(
    poison.slice(0, 60),
    (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
  const plain: [string, Partial<typeof usual>, string][] = oneLine(poison)
    ? [
        ['HELO', { hello: `EHLO ${poison}` }, body],
        ['MAIL', { mail: `MAIL FROM:<"${poison.replace(/["\\]/g, '\\$&')}"@example.com>` }, body],
        ['MAIL domain', { mail: `MAIL FROM:<a@${poison}.example.com>` }, body],
        ['RCPT', { rcpt: `RCPT TO:<${poison}@example.com>` }, body],
        ['parameter', { mail: `MAIL FROM:<a@example.com> ENVID=${poison}` }, body],
        ['XFORWARD as it is', { xforward: `XFORWARD HELO=${poison} NAME=${poison}` }, body],
      ]
    : [];
  return [
    ...plain,
    ['XFORWARD HELO', { xforward: `XFORWARD ADDR=192.0.2.10 HELO=${xtext}` }, body],
    ['XFORWARD NAME', { xforward: `XFORWARD ADDR=192.0.2.10 NAME=${xtext}` }, body],
    ['XFORWARD IDENT', { xforward: `XFORWARD ADDR=192.0.2.10 IDENT=${xtext}` }, body],
    ['XFORWARD ADDR', { xforward: `XFORWARD ADDR=IPV6:fe80::1%${xtext}` }, body],
    ['From', {}, `From: "${poison}" <a@${poison}.example>\r\n\r\nHello.\r\n`],
    [
      'From domain',
      {},
      `From: <a@"${poison}">, =?utf-8?b?${btoa(poison)}?= <a@example.com>\r\n\r\nHello.\r\n`,
    ],
    [
      'DKIM-Signature',
      {},
      `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${poison}; s=${poison}; i=a@${poison}; h=from; bh=eA==; b=eA==\r\n${body}`,
    ],
    [
      'ARC',
      {},
      `ARC-Seal: i=1; a=rsa-sha256; cv=none; d=${poison}; s=s; b=eA==\r\nARC-Message-Signature: i=1; a=rsa-sha256; d=${poison}; s=s; h=from; bh=eA==; b=eA==\r\nARC-Authentication-Results: i=1; ${poison}; spf=pass\r\n${body}`,
    ],
    [
      'Received',
      {},
      `Received: from ${poison} (${poison}) by upstream.example (Postfix) with ESMTPSA id ${poison}\r\n${body}`,
    ],
    ['BIMI-Selector', {}, `BIMI-Selector: v=BIMI1; s=${poison}\r\n${body}`],
    ['List-Id', {}, `List-Id: <${poison}>\r\nPrecedence: ${poison}\r\n${body}`],
  ];
}

const listener = { bareNewlines: 'pass', pool: { size: 2 } };
const settings = { receivedSpf: true, policy: { dmarc: 'reject' } };

for (const [what, poison] of Object.entries(poisons)) {
  test(`${what} from a client stays where it was put`, async () => {
    await using downstream = await ScriptedDownstream.start();
    await using proxy = await RunningProxy.start({
      listener: { ...listener, destinations: [downstream.destination] },
      settings,
      zone: { 'example.com': { TXT: ['v=spf1 exists:%{l}.example.com exp=why.example.com -all'] } },
    });
    for (const [place, commands, message] of conversations(poison)) {
      await converse(
        proxy,
        downstream,
        `${what} in ${place}`,
        Object.values({ ...usual, ...commands }),
        message,
      );
    }
    assertSafeLog(proxy, what);
  });

  test(`${what} from DNS stays a text`, async () => {
    const text = poison.slice(0, 250);
    const spf = `v=spf1 exp=why.example.com include:${text} -all`;
    await using names = await NameServer.start({
      'PTR 10.2.0.192.in-addr.arpa': { values: [`a${text.slice(0, 40).replaceAll('.', '')}.example.com`] },
      'TXT example.com': {
        values: [poison.length > 200 ? spf.slice(0, 250) : 'v=spf1 exp=why.example.com -all'],
      },
      'TXT other.example': { values: [spf.slice(0, 250)] },
      'TXT why.example.com': { values: [text] },
      'TXT _dmarc.example.com': {
        values: [`v=DMARC1; p=none; rua=mailto:${text.slice(0, 200)}; x=${text.slice(0, 10)}`],
      },
      'TXT s._domainkey.example.com': {
        values: [`v=DKIM1; k=${text.slice(0, 100)}; n=${text.slice(0, 60)}; p=eA==`],
      },
      'MX example.com': { values: [`10 ${text.slice(0, 30).replaceAll('.', '')}.example.com`] },
    });
    await using downstream = await ScriptedDownstream.start();
    await using proxy = await RunningProxy.start({
      listener: { ...listener, destinations: [downstream.destination] },
      settings: { ...settings, dns: { servers: [names.address] } },
    });
    const signed = `DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=eA==; b=eA==\r\n${body}`;
    for (const mail of [usual.mail, 'MAIL FROM:<a@other.example>']) {
      await converse(proxy, downstream, what, Object.values({ ...usual, mail }), signed);
    }
    assert.equal(downstream.messages.length, 2);
    assert.ok(names.questions.length > 5, names.questions.join());
    assertSafeLog(proxy, what);
  });
}

test('a reply of the downstream is one reply upstream, whatever its text holds', async () => {
  const texts = [
    'a\rb\r250 c',
    'a\0b',
    '\x1b[31m\x07',
    '\xff\xfe\x85',
    '\t',
    'x'.repeat(4000),
    '',
    '250 2.0.0 Ok',
  ];
  for (const verb of ['MAIL', 'RCPT', 'DATA', 'CONTENT'] as const) {
    for (const code of ['250', '354', '421', '450', '550']) {
      for (const text of texts) {
        await using downstream = await ScriptedDownstream.start({
          answers: { [verb]: () => [`${code}-${text}`, `${code} ${text}`] },
        });
        await using proxy = await RunningProxy.start({
          listener: { destinations: [downstream.destination] },
        });
        await converse(
          proxy,
          downstream,
          `${verb} ${code} ${text}`,
          ['EHLO x', usual.mail, usual.rcpt],
          body,
        );
        assertSafeLog(proxy, verb);
      }
    }
  }
});

test('a reply line without an end is an error, and no memory', async () => {
  for (const verb of ['MAIL', 'CONTENT'] as const) {
    await using downstream = await ScriptedDownstream.start({
      answers: { [verb]: () => `250 ${'x'.repeat(10_000_000)}` },
    });
    await using proxy = await RunningProxy.start({ listener: { destinations: [downstream.destination] } });
    using client = await RawClient.connect(proxy.address);
    await client.reply();
    for (const command of ['EHLO x', usual.mail, usual.rcpt, 'DATA']) await client.ask(command);
    if (verb === 'CONTENT') {
      client.send(`${body}.\r\n`);
      assert.match((await client.reply()).join(), /^451 4\.4\.2 /);
    }
    assertSafeLog(proxy, verb);
    assert.ok(JSON.stringify(proxy.events).length < 20_000);
  }
});

test('who is not believed can neither forward nor pretend to be a proxy', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using proxy = await RunningProxy.start({
    listener: {
      destinations: [downstream.destination],
      clients: ['192.0.2.0/24'],
      proxyProtocol: ['127.0.0.1'],
    },
  });
  const headers = [
    'PROXY TCP4 198.51.100.7 127.0.0.1 5000 25',
    'PROXY TCP6 2001:db8::7 ::1 5000 25',
    'PROXY UNKNOWN',
    'PROXY TCP4 198.51.100.7 127.0.0.1 5000 25\r\nPROXY TCP4 192.0.2.1 127.0.0.1 5000 25',
    'proxy TCP4 198.51.100.7 127.0.0.1 5000 25 192.0.2.1',
  ];
  for (const header of headers) {
    using client = await RawClient.connect(proxy.address);
    client.send(`${header}\r\n`);
    const [greeting = ''] = await client.reply();
    assert.match(greeting, /^220 /, header);
    if (header.includes('\r\n')) assert.match((await client.reply()).join(), /^500 /);
    assert.doesNotMatch((await client.ask('EHLO x')).join(), /XFORWARD/);
    assert.match((await client.ask('XFORWARD ADDR=192.0.2.1')).join(), /^550 5\.7\.1 /);
    assert.match((await client.ask('PROXY TCP4 192.0.2.1 127.0.0.1 5000 25')).join(), /^500 /);
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
});
