// Message content between both ends: the dots of its lines, and line ends that are none.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import fc from 'fast-check';
import {
  type BodyCanonicalization,
  type BodyCoverage,
  BodyHasher,
  coverageKey,
} from '../../src/authentication/signatures/body-hash.ts';
import { DotStuffer } from '../../src/relay/dot-stuffing.ts';
import { DataDecoder } from '../../src/smtp/data.ts';
import { type BareNewlines, Newlines } from '../../src/smtp/newlines.ts';
import { bytesOf, cuts, hostileText, inPieces, type Target, target } from './target.ts';

// biome-ignore format: words, not lines
const contents = hostileText(
  '\r\n', '\r\n.', '.\r\n', '\r\n.\r\n', '\n.\n', '\n.\r\n', '\r.\r', '..', '.', '\r', '\n', 'text',
  'a\r\nb',
);

function carryContent(text: string, sizes: readonly number[], others: readonly number[]): void {
  const stuffer = new DotStuffer();
  const stuffed = inPieces(bytesOf(text), sizes).map((piece) => stuffer.stuff(piece));
  const wire = Buffer.concat([...stuffed, stuffer.end(), bytesOf('QUIT\r\n')]);
  const decoder = new DataDecoder();
  const content: Buffer[] = [];
  let left: Buffer | undefined;
  let behind = Buffer.alloc(0);
  for (const piece of inPieces(wire, others)) {
    if (left !== undefined) behind = Buffer.concat([behind, piece]);
    else {
      const decoded = decoder.push(piece);
      content.push(...decoded.content);
      left = decoded.rest;
      if (left) behind = Buffer.from(left);
    }
  }
  const ended = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`;
  assert.equal(Buffer.concat(content).toString('latin1'), ended);
  assert.equal(behind.toString('latin1'), 'QUIT\r\n');
}

/** A line end that some server knows, a dot, and another. */
const laxEnd = /(?:\n|\r)\.(?:\r|\n)/;

function watchNewlines(text: string, sizes: readonly number[]): void {
  const watch = (mode: BareNewlines, pieces: readonly Buffer[]) => {
    const newlines = new Newlines(mode);
    const out = [...pieces.map((piece) => Buffer.from(newlines.push(piece))), newlines.end()];
    return { newlines, out: Buffer.concat(out).toString('latin1') };
  };
  const pieces = inPieces(bytesOf(text), sizes);
  const bare = /(?<!\r)\n|\r(?!\n)/.test(text);
  for (const mode of ['pass', 'reject'] as const) {
    const { newlines, out } = watch(mode, pieces);
    assert.equal(out, text);
    assert.equal(newlines.found, bare);
    // CRLF before the dot is a line's end, where a dot is stuffed.
    const smuggling = laxEnd.test(text.replaceAll(/(?<=(?:^|\r\n))\./g, '..'));
    assert.equal(newlines.smuggling, smuggling);
  }
  const { newlines, out } = watch('normalize', pieces);
  assert.equal(newlines.found, bare);
  assert.doesNotMatch(out, /(?<!\r)\n|\r(?!\n)/);
  assert.equal(watch('normalize', [bytesOf(out)]).out, out, 'idempotent');
  assert.equal(
    out.replaceAll('\r\n', '\n').replaceAll(' ', ''),
    text.replaceAll('\r\n', '\n').replaceAll(/[\r ]/g, ''),
  );
}

/** Sizes of pieces in which more than one byte is looked at together. */
const longCuts = fc.array(fc.oneof(...[9, 100, 6000].map((max) => fc.integer({ min: 1, max }))), {
  minLength: 1,
  maxLength: 6,
});

/** Long enough for more than one look at it, or short; where the white space stands is what counts. */
const bodies = fc
  .tuple(
    // biome-ignore format: words, not lines
    hostileText(
      '\r\n', '\r', '\n', ' ', '\t', '  ', ' \r\n', '\r\n\r\n', 'a', ' !', '! ', 'word', ' x ', 'twelve octets',
      '\v', '\0', '\xa0',
    ),
    fc.constantFrom(0, 0, 4090, 4096, 8190),
    fc.nat(40),
  )
  .map(([text, many, at]) => `${text.slice(0, at)}${'z'.repeat(many)}${text.slice(at)}`);

/** RFC 6376 §3.4.3 and §3.4.4, word for word; a bare LF is a line end. */
function canonical(text: string, canonicalization: BodyCanonicalization): string {
  const lines = text.replaceAll(/(?<!\r)\n/g, '\r\n');
  const reduced =
    canonicalization === 'simple'
      ? lines
      : lines.replaceAll(/[ \t]+(?=\r\n|$)/g, '').replaceAll(/[ \t]+/g, ' ');
  const body = reduced.replace(/(?:\r\n)+$/, '');
  return body === '' && canonicalization === 'relaxed' ? '' : `${body}\r\n`;
}

function hashBody(text: string, sizes: readonly number[], limit: number): void {
  const coverages = (['relaxed', 'simple'] as const).flatMap((canonicalization): BodyCoverage[] => [
    { canonicalization, algorithm: 'sha256' },
    { canonicalization, algorithm: 'sha256', limit },
  ]);
  const hasher = new BodyHasher(coverages);
  for (const piece of inPieces(bytesOf(text), sizes)) hasher.update(piece);
  const hashes = hasher.finish();
  for (const coverage of coverages) {
    const whole = bytesOf(canonical(text, coverage.canonicalization));
    const { hash: digest, canonicalizedLength, byteLength } = hashes.get(coverageKey(coverage)) ?? {};
    assert.equal(canonicalizedLength, whole.length);
    assert.equal(byteLength, text.length);
    assert.equal(digest, hash('sha256', whole.subarray(0, coverage.limit ?? whole.length), 'base64'));
  }
}

export const contentTargets: readonly Target[] = [
  target('dots', fc.tuple(contents, cuts, cuts), ([text, sizes, others]) =>
    carryContent(text, sizes, others),
  ),
  target('newlines', fc.tuple(contents, fc.oneof(cuts, longCuts)), ([text, sizes]) =>
    watchNewlines(text, sizes),
  ),
  target('body hash', fc.tuple(bodies, longCuts, fc.nat(100)), ([text, sizes, limit]) =>
    hashBody(text, sizes, limit),
  ),
];
