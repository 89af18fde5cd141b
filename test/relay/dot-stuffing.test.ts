// Dot-stuffing, however the bytes are cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DotStuffer } from '../../src/relay/dot-stuffing.ts';

function stuff(chunks: readonly string[]): string {
  const stuffer = new DotStuffer();
  const stuffed = chunks.map((chunk) => stuffer.stuff(Buffer.from(chunk, 'latin1')));
  return Buffer.concat([...stuffed, stuffer.end()]).toString('latin1');
}

const cases: Readonly<Record<string, readonly [string, string]>> = {
  'a message without dots stays as it is': ['a\r\nb\r\n', 'a\r\nb\r\n.\r\n'],
  'a dot at the very start is stuffed': ['.\r\n', '..\r\n.\r\n'],
  'dots at line starts are stuffed once': ['a\r\n.\r\n..b\r\n', 'a\r\n..\r\n...b\r\n.\r\n'],
  'dots inside lines are not': ['a.b\r\nc.\r\n', 'a.b\r\nc.\r\n.\r\n'],
  'consecutive lines of a single dot are each stuffed': ['\r\n.\r\n.\r\n.', '\r\n..\r\n..\r\n..\r\n.\r\n'],
  'a last line without CRLF gets one': ['a', 'a\r\n.\r\n'],
  'an empty message is only the final dot': ['', '.\r\n'],
  'a bare LF begins no line': ['a\n.\r\nb\n.\nc\r\n', 'a\n.\r\nb\n.\nc\r\n.\r\n'],
  'a bare CR begins no line': ['a\r.\r\nb\r.\rc\r\n', 'a\r.\r\nb\r.\rc\r\n.\r\n'],
  'CR CR LF begins a line': ['a\r\r\n.b\r\n', 'a\r\r\n..b\r\n.\r\n'],
  'LF CR begins no line': ['a\n\r.b\r\n', 'a\n\r.b\r\n.\r\n'],
  'a message that ends with a bare CR keeps it': ['a\r', 'a\r\r\n.\r\n'],
  'a message that ends with a bare LF keeps it': ['a\n', 'a\n\r\n.\r\n'],
  'bytes over 127 and NUL stay': ['\x00\xff\r\n.\xe4\r\n', '\x00\xff\r\n..\xe4\r\n.\r\n'],
};

for (const [name, [message, wire]] of Object.entries(cases)) {
  test(name, () => {
    assert.equal(stuff([message]), wire, 'in one chunk');
    assert.equal(stuff([...message]), wire, 'byte by byte');
    for (let first = 0; first <= message.length; first += 1) {
      for (let second = first; second <= message.length; second += 1) {
        const cut = [message.slice(0, first), message.slice(first, second), message.slice(second)];
        assert.equal(stuff(cut), wire, `cut at ${first} and ${second}`);
      }
    }
  });
}

test('a chunk that needs no dot is not copied', () => {
  const chunk = Buffer.from('a\r\nb.\r\n');
  assert.equal(new DotStuffer().stuff(chunk), chunk);
});
