// What tests of injection share: poisons, one conversation, and what must hold of all that came out of it.
import assert from 'node:assert/strict';
import { lineWriter } from '../../src/telemetry/log-line.ts';
import { RawClient } from '../support/raw-client.ts';
import type { RunningProxy } from '../support/running-proxy.ts';
import type { RecordedMessage, ScriptedDownstream } from '../support/scripted-downstream.ts';

/** What would be a line, an escape or a result of its own if somebody took it for more than a text. */
export const poisons: Readonly<Record<string, string>> = {
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
const commandLine =
  /^(?:EHLO|HELO|XFORWARD|MAIL FROM:|RCPT TO:|DATA$|RSET$|QUIT$|NOOP$)[\t\x20-\x7e\x80-\xff]*$/;
const ownField =
  /^(?:Authentication-Results|Received-SPF|Received|X-List|BIMI-Location|X-Disposition-Quarantine): /;

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

/** As it leaves in either format: one line, which a terminal does not obey. And nothing of it was a fault of ours. */
export function assertSafeLog(proxy: RunningProxy, name: string): void {
  for (const { level, event, fields } of proxy.events) {
    const isFault = /^(?:internal error|check failed)$/.test(event) || fields.stage === 'internal';
    assert.ok(!isFault, `${name}: ${event} ${fields.error}`);
    for (const format of ['json', 'text'] as const) {
      const line = lineWriter(format)(level === 'error' ? 'error' : 'info', event, fields);
      assert.doesNotMatch(line, /[\p{Cc}\u2028\u2029\u202e]/u, name);
      assert.ok(Buffer.byteLength(line) <= 8192, name);
      if (format === 'json') assert.equal(JSON.parse(line).event, event, name);
    }
  }
}

/** What became of a conversation. */
export interface Conversed {
  /** The reply to each command, in order; then that to DATA, and to the message where there was a 354. */
  readonly replies: readonly (readonly string[])[];
  /** What arrived downstream. */
  readonly messages: readonly RecordedMessage[];
  /** The fields on top of it, for each. */
  readonly added: readonly string[];
}

/** Holds one transaction; the places for poison are the parameters. */
export async function converse(
  proxy: RunningProxy,
  downstream: ScriptedDownstream,
  name: string,
  commands: readonly string[],
  message: string,
): Promise<Conversed> {
  using client = await RawClient.connect(proxy.address);
  const greeting = await client.reply();
  const replies: string[][] = [];
  for (const command of commands) replies.push(await client.ask(command));
  const data = await client.ask('DATA');
  replies.push(data);
  const before = downstream.messages.length;
  if (data[0]?.startsWith('354')) {
    client.send(`${message.replaceAll('\r\n.', '\r\n..')}.\r\n`);
    replies.push(await client.reply());
  }
  const goodbye = await client.ask('QUIT');
  assert.equal(await client.line(), undefined, `${name}: more replies than commands`);
  for (const line of [greeting, ...replies, goodbye].flat()) assert.match(line, replyLine, name);
  for (const command of downstream.commands) assert.match(command, commandLine, name);
  const messages = downstream.messages.slice(before);
  const added = messages.map(({ data: relayed }) => {
    assert.ok(relayed.subarray(-message.length).equals(Buffer.from(message, 'latin1')), name);
    const fields = relayed.toString('latin1', 0, relayed.length - message.length);
    assertOwnFields(fields, name);
    return fields;
  });
  return { replies, messages, added };
}

export const usual = {
  hello: 'EHLO upstream.example',
  xforward: 'XFORWARD NAME=client.example.com ADDR=192.0.2.10 HELO=client.example.com',
  mail: 'MAIL FROM:<a@example.com>',
  rcpt: 'RCPT TO:<b@example.com>',
};
export const body = 'From: a@example.com\r\nSubject: x\r\n\r\nHello.\r\n';
