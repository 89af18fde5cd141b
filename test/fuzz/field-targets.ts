// Header fields that strangers write and the checks read: authors, signatures, ARC sets, what the upstream wrote.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { authorsIn, parseMailAddress } from '../../src/authentication/address.ts';
import { readChain } from '../../src/authentication/arc/chain.ts';
import { readArcSets } from '../../src/authentication/arc/sets.ts';
import { readUpstreamReceived } from '../../src/authentication/client/upstream-received.ts';
import { isListMail } from '../../src/authentication/dmarc/mailing-list.ts';
import { headerRows } from '../../src/authentication/signatures/header-rows.ts';
import { prepareDkim, signedRows } from '../../src/authentication/signatures/signature-field.ts';
import { parseHeaderSection } from '../../src/message/header-section.ts';
import { bytesOf, hostileText, type Target, target } from './target.ts';

const fieldsOf = (text: string) => parseHeaderSection(bytesOf(text)).fields;

// biome-ignore format: words, not lines
const authors = hostileText(
  'From:', 'from :', '\r\n', '\r\n ', '<a@example.com>', 'b@example.org', 'Name ', '"a, b" ', '"', '(c)', '(',
  ')', '\\', ',', ';', ':', 'Group: ', '@', '<', '>', '=?utf-8?q?x?=', '[192.0.2.1]', 'xn--', '\0', '\x7f',
  '\xef\xbc\xa5', '.',
);

function readFrom(text: string): void {
  const fields = fieldsOf(text);
  const found = authorsIn(fields);
  assert.equal(found.fromFields, headerRows(fields).filter(({ key }) => key === 'from').length);
  if (found.unreadable !== undefined) assert.equal(found.authors.length, 0);
  for (const author of found.authors) if (author) assert.doesNotMatch(author.domain, /[@<>A-Z ]/);
  parseMailAddress(text);
}

const atom = fc.stringMatching(/^[a-z0-9]{1,10}$/);
const plainAuthor = fc.tuple(
  fc.constantFrom('', 'A Name ', '"a, <x@y.example> b" ', '(a \\) comment) ', '=?utf-8?q?x?= '),
  atom,
  atom,
  fc.constantFrom('', ' (behind)', '\r\n '),
);

function readPlainFrom([name, local, domain, behind]: [string, string, string, string]): void {
  const { authors: found } = authorsIn(fieldsOf(`From: ${name}<${local}@${domain}.example>${behind}\r\n`));
  assert.deepEqual(found, [{ local, domain: `${domain}.example` }]);
}

// biome-ignore format: words, not lines
const tags = [
  'v=1', 'v=DKIM1', 'a=rsa-sha256', 'a=ed25519-sha256', 'a=rsa-sha1', 'd=example.com', 's=sel', 'h=from:to:from',
  'h=', 'bh=', '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', 'b=AAAA', 'c=relaxed/simple', 'c=x', 'l=10',
  'l=-1', 'l=99999999999999999999', 't=1', 'x=1', 'i=1', 'i=2', 'i=51', 'i=@example.com', 'q=dns/txt', 'cv=none',
  'cv=pass', 'cv=fail', 'z=a|b', '; ', ';', '=', ' ', '\r\n ', '\t', '\r\n',
];
const signatures = hostileText(
  'DKIM-Signature:',
  'dkim-signature : ',
  'From: a@example.com\r\n',
  'To: b\r\n',
  ...tags,
);

function readSignatures(text: string): void {
  const rows = headerRows(fieldsOf(text));
  const byName = Map.groupBy(rows, ({ key }) => key);
  for (const row of byName.get('dkim-signature') ?? []) {
    const prepared = prepareDkim(row);
    if (prepared.kind === 'refused') continue;
    const signed = signedRows(prepared, byName);
    assert.ok(signed.length <= rows.length && new Set(signed).size === signed.length);
    for (const { key } of signed) assert.ok(prepared.names.includes(key));
  }
}

const arcSet = (instance: number, cv: string) =>
  [
    `ARC-Seal: i=${instance}; a=rsa-sha256; d=a.example; s=s; t=1; cv=${cv}; b=AAAA\r\n`,
    `ARC-Message-Signature: i=${instance}; a=rsa-sha256; c=relaxed/simple; d=a.example; s=s; h=from; bh=AAAA; b=AAAA\r\n`,
    `ARC-Authentication-Results: i=${instance}; mx.example; dmarc=pass header.from=a.example; spf=pass smtp.mailfrom=a@b.example\r\n`,
  ] as const;
const [first, second] = [arcSet(1, 'none'), arcSet(2, 'pass')];
const sets = hostileText(
  first.join(''),
  second.toReversed().join(''),
  ...first,
  ...second,
  'ARC-Seal: ',
  'arc-message-signature : ',
  'ARC-Authentication-Results: i=3; ',
  ...tags,
);

function readSets(text: string): void {
  const { chain, lastEntry } = readArcSets(headerRows(fieldsOf(text)));
  for (const [i, set] of readChain(chain).entries()) {
    assert.equal(set.instance, i + 1);
    assert.ok(set.seal.time === undefined || !Number.isNaN(Date.parse(set.seal.time)));
  }
  if (chain) assert.equal(lastEntry, chain.at(-1));
}

// biome-ignore format: words, not lines
const upstream = hostileText(
  'Received: ', 'received : ', 'from a.example (b.example [192.0.2.1])', ' by mx.example (Postfix)',
  ' with ESMTPSA', ' id ABC', ' for <a@b>', '; Mon, 1 Jan 2024 00:00:00 +0000', '\r\n', '\r\n ',
  '(Authenticated sender: u)', '(using TLSv1.3 with cipher X (256/256 bits))',
  '(Client CN "a", Issuer "b" (verified OK))', 'Precedence: list', 'List-Id:', '(', ')', '"', '\\',
);

function readUpstream(text: string): void {
  const fields = fieldsOf(text);
  const queue = readUpstreamReceived(fields, { ip: '192.0.2.1' }, { queueId: 'ABC' });
  const believed = queue.judgement.startsWith('believed');
  if (believed) assert.ok(text.includes('192.0.2.1') && text.includes('ABC'));
  else assert.ok(queue.authenticated === undefined && queue.tls === undefined);
  isListMail(fields);
}

export const fieldTargets: readonly Target[] = [
  target('authors', authors, readFrom),
  target('plain authors', plainAuthor, readPlainFrom),
  target('signature fields', signatures, readSignatures),
  target('ARC sets', sets, readSets),
  target('upstream Received', upstream, readUpstream),
];
