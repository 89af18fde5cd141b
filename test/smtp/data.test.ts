// The decoder of DATA's content and the watcher of bare newlines, with every way to cut the bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataDecoder } from '../../src/smtp/data.ts';
import { type BareNewlines, Newlines } from '../../src/smtp/newlines.ts';

/** Decodes bytes that arrive in pieces of the given size. */
function decode(wire: string, size: number): { content: string; rest: string | undefined } {
  const decoder = new DataDecoder();
  const bytes = Buffer.from(wire, 'latin1');
  let content = '';
  for (let at = 0; at < bytes.length; at += size) {
    const decoded = decoder.push(bytes.subarray(at, at + size));
    content += Buffer.concat(decoded.content).toString('latin1');
    if (decoded.rest)
      return {
        content,
        rest: decoded.rest.toString('latin1') + bytes.subarray(at + size).toString('latin1'),
      };
  }
  return { content, rest: undefined };
}

const cases: readonly { name: string; wire: string; content: string; rest?: string }[] = [
  { name: 'an empty message ends at once', wire: '.\r\nQUIT\r\n', content: '', rest: 'QUIT\r\n' },
  { name: 'data ends at CRLF.CRLF', wire: 'a\r\n.\r\nRSET\r\n', content: 'a\r\n', rest: 'RSET\r\n' },
  {
    name: 'stuffed dots are removed',
    wire: '..\r\n..a\r\n...\r\n.\r\n',
    content: '.\r\n.a\r\n..\r\n',
    rest: '',
  },
  { name: 'a lone dot that was not stuffed is removed too', wire: '.a\r\n.\r\n', content: 'a\r\n', rest: '' },
  { name: 'dots inside a line stay', wire: 'a..b\r\n.\r\n', content: 'a..b\r\n', rest: '' },
  { name: 'LF.CRLF is no end', wire: 'a\n.\r\nb\r\n.\r\n', content: 'a\n.\r\nb\r\n', rest: '' },
  { name: 'LF.LF is no end', wire: 'a\n.\nb\r\n.\r\n', content: 'a\n.\nb\r\n', rest: '' },
  { name: 'CR.CR is no end', wire: 'a\r.\rb\r\n.\r\n', content: 'a\r.\rb\r\n', rest: '' },
  { name: 'CRLF.CR is no end', wire: 'a\r\n.\rb\r\n.\r\n', content: 'a\r\n\rb\r\n', rest: '' },
  { name: 'CRLF.LF is no end', wire: 'a\r\n.\nb\r\n.\r\n', content: 'a\r\n\nb\r\n', rest: '' },
  { name: 'a dot after LF stays', wire: 'a\n..b\r\n.\r\n', content: 'a\n..b\r\n', rest: '' },
  { name: 'CR CRLF.CRLF ends', wire: 'a\r\r\n.\r\n', content: 'a\r\r\n', rest: '' },
  { name: 'without an end there is none', wire: 'a\r\n..\r\n', content: 'a\r\n.\r\n' },
  { name: 'dot, CR, CRLF, dot', wire: '.\r\r\n.\r\n', content: '\r\r\n', rest: '' },
];

for (const { name, wire, content, rest } of cases) {
  test(`${name}, however it is cut`, () => {
    for (let size = 1; size <= wire.length; size++) {
      assert.deepEqual(decode(wire, size), { content, rest }, `pieces of ${size}`);
    }
  });
}

function watch(mode: BareNewlines, text: string, size: number) {
  const newlines = new Newlines(mode);
  const bytes = Buffer.from(text, 'latin1');
  let out = '';
  for (let at = 0; at < bytes.length; at += size)
    out += newlines.push(bytes.subarray(at, at + size)).toString('latin1');
  out += newlines.end().toString('latin1');
  return { out, found: newlines.found, smuggling: newlines.smuggling };
}

const newlineCases: readonly { text: string; normalized: string; found: boolean; smuggling: boolean }[] = [
  { text: 'a\r\nb\r\n', normalized: 'a\r\nb\r\n', found: false, smuggling: false },
  { text: 'a\nb\r\n', normalized: 'a\r\nb\r\n', found: true, smuggling: false },
  { text: 'a\rb\r\n', normalized: 'a b\r\n', found: true, smuggling: false },
  { text: 'a\r\r\nb\r\n', normalized: 'a\r\nb\r\n', found: true, smuggling: false },
  { text: 'a\r\r\r\n\r\r\r\nb\r\n', normalized: 'a\r\n\r\nb\r\n', found: true, smuggling: false },
  { text: `a${'\r'.repeat(11)}\n`, normalized: 'a   \r\n', found: true, smuggling: false },
  { text: `a${'\r'.repeat(11)}b`, normalized: `a${' '.repeat(11)}b`, found: true, smuggling: false },
  { text: '\n\n', normalized: '\r\n\r\n', found: true, smuggling: false },
  { text: 'a\n.\r\nb\r\n', normalized: 'a\r\n.\r\nb\r\n', found: true, smuggling: true },
  { text: 'a\n.\nb\r\n', normalized: 'a\r\n.\r\nb\r\n', found: true, smuggling: true },
  { text: 'a\r.\rb\r\n', normalized: 'a . b\r\n', found: true, smuggling: true },
  { text: 'a\r\n.\r\nb\n', normalized: 'a\r\n.\r\nb\r\n', found: true, smuggling: false },
  { text: 'a\n.b\r\n', normalized: 'a\r\n.b\r\n', found: true, smuggling: false },
  { text: 'ends in CR\r', normalized: 'ends in CR ', found: true, smuggling: false },
];

for (const { text, normalized, found, smuggling } of newlineCases) {
  test(`bare newlines in ${JSON.stringify(text)} are found, replaced or passed, however it is cut`, () => {
    for (let size = 1; size <= text.length; size++) {
      const note = `pieces of ${size}`;
      assert.deepEqual(watch('normalize', text, size), { out: normalized, found, smuggling: false }, note);
      assert.deepEqual(watch('pass', text, size), { out: text, found, smuggling }, note);
    }
  });
}
