// The sink's reading of content: wherever it is cut, the same id, digest and end are found.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { Content } from '../../bench/sink/content.ts';

const below = 'From: a@example.com\r\n\r\n..a dot\r\nand the end\r\n';
const above = 'Authentication-Results: mx.example.org; none\r\n';
const id = 'X-Bench-Id: m-1\r\n';

function read(pieces: readonly Buffer[]) {
  const content = new Content();
  for (const piece of pieces) {
    const rest = content.push(piece);
    if (rest) return { ...content.received(), rest: rest.toString() };
  }
  return undefined;
}

for (const [what, top] of Object.entries({ 'below other fields': above, 'on top': '' })) {
  test(`what stands below an id ${what} is digested, however the message is cut`, () => checkAllCuts(top));
}

function checkAllCuts(above: string): void {
  const wire = Buffer.from(`${above}${id}${below}.\r\nQUIT\r\n`);
  const content = Buffer.from(above + id + below);
  for (let first = 0; first < wire.length; first++) {
    for (let second = first; second < wire.length; second += 7) {
      const pieces = [wire.subarray(0, first), wire.subarray(first, second), wire.subarray(second)];
      const { rest, ...received } = read(pieces) ?? { rest: '' };
      const expected = { id: 'm-1', digest: hash('sha256', below), bytes: content.length, above };
      assert.deepEqual(received, expected, `cut at ${first} and ${second}`);
      assert.ok('QUIT\r\n'.startsWith(rest));
    }
  }
}

test('content without an id, or without anything, has none', () => {
  assert.equal(read([Buffer.from('Subject: x\r\n\r\n.\r\n')])?.id, '?');
  assert.deepEqual(read([Buffer.from('.\r\n')]), {
    id: '?',
    digest: hash('sha256', ''),
    bytes: 0,
    above: '',
    rest: '',
  });
});

test('a dot behind a bare line end does not end the content', () => {
  assert.equal(read([Buffer.from(`${id}a\n.\r\nb\r\n.\nc\r\n`)]), undefined);
});
