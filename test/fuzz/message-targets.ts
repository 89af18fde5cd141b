// Messages: the header section byte for byte, forged fields out and all others as they were.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readClauses } from '../../src/authentication/client/received-clauses.ts';
import { readAuthservId } from '../../src/authentication/header/authserv-id.ts';
import { Removal } from '../../src/authentication/header/removal.ts';
import { HeaderCollector, parseHeaderSection } from '../../src/message/header-section.ts';
import { bytesOf, cuts, hostileText, inPieces, type Target, target } from './target.ts';

// biome-ignore format: words, not lines
const headers = hostileText(
  'From: a@example.com\r\n', 'Subject: x\r\n', ' folded\r\n', '\tfolded\r\n', '\r\n', '\n', '\r', 'A:',
  ': \r\n', 'no field\r\n', 'Authentication-Results: mx.example.org; spf=pass\r\n',
  'Received: from a by b\r\n', 'X', '.\r\n', 'Body\r\n', 'Authentication-Results',
);

function collect(text: string, sizes: readonly number[]): void {
  const limit = 4000;
  const collector = new HeaderCollector(limit);
  let counted = 0;
  for (const piece of inPieces(bytesOf(text), sizes)) {
    const taken = collector.push(piece);
    assert.ok(taken >= 0 && taken <= piece.length);
    counted += taken;
  }
  // By the plainest reading: up to the first line that is empty.
  const end = /(?:^|\n)(\r?\n)/.exec(text);
  const size = end ? end.index + end[0].length - (end[1] ?? '').length : text.length;
  const undecided = !end && /(?:^|\n)\r$/.test(text) ? 1 : 0;
  assert.equal(collector.overLimit !== undefined, size - undecided > limit);
  if (collector.overLimit) return;
  assert.equal(collector.complete, end !== null);
  if (end) assert.equal(counted, size + (end[1] ?? '').length);
  const { fields, sizeBytes } = collector.section();
  assert.equal(sizeBytes, size);
  assert.equal(Buffer.concat(fields.map(({ raw }) => raw)).toString('latin1'), text.slice(0, size));
  for (const [i, { name, raw }] of fields.entries()) {
    assert.match(name, /^[!-9;-~]*$/);
    const line = raw.toString('latin1');
    assert.ok(line.startsWith(name));
    if (i > 0) assert.doesNotMatch(line, /^[ \t]/, 'a folded line belongs to the field before it');
    if (i < fields.length - 1) assert.match(line, /\n$/);
    assert.doesNotMatch(line, /\n(?![ \t]|$)/, 'one field');
  }
}

const ours = 'mx.example.org';
const own = { results: ['X-Our-Results'], others: ['X-Disposition-Quarantine'] };
const removals = [false, true].map(
  (keepRemoved) =>
    new Removal({ authservIds: [ours], remove: ['friend.example'], alsoIn: ['X-AR'], keepRemoved }, own),
);

// biome-ignore format: words, not lines
const results = hostileText(
  'Authentication-Results:', 'authentication-results :', 'X-Our-Results:', 'X-AR:',
  'ARC-Authentication-Results:', ours, ' other.example', '"mx.example.org"', '(comment)', '(', ')', '"',
  '\\', ';', ' spf=pass', ' 1', '\r\n ', 'friend.example', 'MX.Example.ORG', '.', 'Subject: x',
);

function remove(text: string): void {
  for (const [i, removal] of removals.entries()) {
    const { fields } = parseHeaderSection(bytesOf(text));
    const once: Buffer[] = [];
    for (const { raw } of fields) {
      const before = Buffer.from(raw);
      const instead = removal.rewrite(raw);
      assert.ok(before.equals(raw), 'the field itself is not written to');
      once.push(instead ?? raw);
      if (instead === undefined || instead.length === 0) continue;
      assert.equal(i, 1);
      assert.match(instead.toString('latin1'), /^X-Received-Authentication-Results:/);
      // Its body follows byte for byte, behind a fold at most.
      assert.ok(instead.toString('latin1').endsWith(raw.toString('latin1', raw.indexOf(0x3a) + 1)));
    }
    if (i === 0) {
      for (const raw of once) if (raw.length > 0) assert.equal(removal.rewrite(raw), undefined, 'idempotent');
    }
  }
}

/** However a results field is spelled, it goes when its name is ours, and stays, every byte of it, when it is another's. */
const blank = fc
  .array(fc.constantFrom(' ', '\t', '\r\n ', '(c)', '(a (b) \\))'), { maxLength: 3 })
  .map((all) => all.join(''));
const spelled = fc.record({
  name: fc.constantFrom(
    'Authentication-Results',
    'AUTHENTICATION-RESULTS',
    'authentication-results ',
    'X-Our-Results',
    'x-ar',
  ),
  before: blank,
  id: fc.constantFrom(
    ours,
    'MX.EXAMPLE.ORG',
    `"${ours}"`,
    `${ours}.`,
    'other.example',
    'mx.example.org.other.example',
    '"other.example"',
    'xmx.example.org',
  ),
  version: fc.constantFrom('', ' 1', ' (x) 1', ' 01'),
  behind: blank,
  rest: fc.constantFrom('', '; none', '; spf=pass smtp.mailfrom=a@b', ';dkim=pass (x;y) header.d="a;b"'),
});

function removeSpelled({
  name,
  before,
  id,
  version,
  behind,
  rest,
}: typeof spelled extends fc.Arbitrary<infer T> ? T : never): void {
  const raw = bytesOf(`${name}:${before}${id}${version}${behind}${rest}\r\n`);
  const mine = /^"?mx\.example\.org\.?"?$/i.test(id);
  const instead = removals[0]?.rewrite(raw);
  if (mine) assert.equal(instead?.length, 0, raw.toString());
  else assert.equal(instead, undefined, raw.toString());
}

// biome-ignore format: words, not lines
const received = hostileText(
  'from a.example', ' by mx.example', ' with ESMTPSA', ' id ABC', ' for <a@b>',
  '; Mon, 1 Jan 2024 00:00:00 +0000', '(a [192.0.2.1])', '(Authenticated sender: u)', '"', '\\', '(', ')',
  ';', ' ', '\t', 'with LMTP', ' (using TLSv1.3 with cipher X (256/256 bits))',
);

export const messageTargets: readonly Target[] = [
  target('header section', fc.tuple(headers, cuts), ([text, sizes]) => collect(text, sizes)),
  target('removal', results, remove),
  target('spelled results', spelled, removeSpelled),
  target('authserv-id', results, (text) => {
    const id = readAuthservId(text);
    if (id !== undefined) assert.doesNotMatch(id, /^$/);
  }),
  target('received', received, (text) => {
    const clauses = readClauses(text);
    if (clauses) for (const { value } of clauses.values()) assert.ok(value.length <= text.length);
  }),
];
