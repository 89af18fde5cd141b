// The verifier reads a message as mailauth does, which stays the judge of what a signature covers.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { BodyHasher, coverageKey } from '../../src/authentication/signatures/body-hash.ts';
import { headerRows } from '../../src/authentication/signatures/header-rows.ts';
import { Verifier } from '../../src/authentication/signatures/verifier.ts';
import { HeaderCollector, parseHeaderSection } from '../../src/message/header-section.ts';
import { type FieldSignature, signField } from '../support/field-signer.ts';
import { makeKey } from '../support/signing.ts';
import { plain } from './judge.ts';

interface MailauthHash {
  update(chunk: Buffer): void;
  digest(encoding: 'base64'): string;
  readonly canonicalizedLength: number;
  readonly bodyHashedBytes: number;
}
interface Row {
  readonly key: string | null;
  readonly casedKey?: string;
  readonly line: Buffer;
}
const require = createRequire(import.meta.url);
const { dkimBody } = require('mailauth/lib/dkim/body/index.js') as {
  dkimBody(canonicalization: string, algorithm: string, limit: number | ''): MailauthHash;
};
const { parseHeaders } = require('mailauth/lib/tools.js') as {
  parseHeaders(bytes: Buffer): { parsed: Row[] };
};

/** Pieces that matter to canonicalization, more often than chance would have them. */
const pieces = fc.array(fc.constantFrom('a', 'b', ' ', '\t', '\r', '\r\n', '\r\n\r\n', '  ', '\u00e9', '.'), {
  maxLength: 60,
});
const bodies = pieces.map((parts) => Buffer.from(parts.join(''), 'latin1'));

function chunks(bytes: Buffer, size: number): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) list.push(bytes.subarray(at, at + size));
  return list;
}

describe('the hash of the body', () => {
  for (const canonicalization of ['simple', 'relaxed'] as const) {
    test(`${canonicalization}: is what mailauth computes, however the body is cut and limited`, () => {
      fc.assert(
        fc.property(bodies, fc.integer({ min: 1, max: 20 }), fc.option(fc.nat(40)), (body, size, some) => {
          const limit = some ?? undefined;
          const theirs = dkimBody(canonicalization, 'sha256', limit ?? '');
          theirs.update(body);
          const hash = theirs.digest('base64');
          const coverage = {
            canonicalization,
            algorithm: 'sha256',
            ...(limit !== undefined && { limit }),
          } as const;
          const ours = new BodyHasher([coverage, { canonicalization, algorithm: 'sha1' }, coverage]);
          for (const chunk of chunks(body, size)) ours.update(chunk);
          const found = ours.finish().get(coverageKey(coverage));
          assert.deepEqual(
            [found?.hash, found?.bodyHashedBytes, found?.canonicalizedLength, found?.byteLength],
            [hash, theirs.bodyHashedBytes, theirs.canonicalizedLength, body.length],
          );
        }),
        { numRuns: 3000 },
      );
    });

    test(`${canonicalization}: a bare LF is a line end`, () => {
      fc.assert(
        fc.property(pieces, fc.integer({ min: 1, max: 20 }), (parts, size) => {
          const coverage = { canonicalization, algorithm: 'sha1' } as const;
          const hashOf = (text: string, cut: number) => {
            const hasher = new BodyHasher([coverage]);
            for (const chunk of chunks(Buffer.from(text, 'latin1'), cut)) hasher.update(chunk);
            return hasher.finish().get(coverageKey(coverage))?.hash;
          };
          const body = parts.join('').replaceAll('\r\n', '\n');
          assert.equal(hashOf(body, size), hashOf(body.replace(/(?<!\r)\n/g, '\r\n'), 1000));
        }),
        { numRuns: 1000 },
      );
    });

    test(`${canonicalization}: thousands of empty lines before the next word count`, () => {
      const body = Buffer.from(`a${'\r\n'.repeat(30_000)}b`);
      const hasher = new BodyHasher([{ canonicalization, algorithm: 'sha256' }]);
      for (const chunk of chunks(body, 7000)) hasher.update(chunk);
      const found = hasher.finish().get(`${canonicalization}:sha256:`);
      assert.equal(found?.hash, createHash('sha256').update(body).update('\r\n').digest('base64'));
    });
  }
});

describe('the header section', () => {
  const lines = fc.array(
    fc.constantFrom(
      'From: a@example.com',
      'from : b@example.com',
      'From',
      ' : folded@example.com',
      ': no name',
      'no field at all',
      ' folded',
      '\tfolded',
      'Subject:hello',
      'X-\u00e9: name that is none',
      ' ',
      'DKIM-Signature: v=1;',
      'a:b:c',
    ),
    { minLength: 1, maxLength: 12 },
  );

  test('is cut into the rows that mailauth cuts it into', () => {
    fc.assert(
      fc.property(lines, fc.constantFrom('\r\n', '\n'), (list, lineEnd) => {
        const section = Buffer.from(list.map((line) => line + lineEnd).join(''), 'latin1');
        const crlf = Buffer.from(section.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
        const theirs = parseHeaders(crlf).parsed.map(({ key, casedKey, line }) => [
          key ?? '',
          casedKey ?? '',
          line.toString('latin1'),
        ]);
        const ours = headerRows(parseHeaderSection(section).fields).map(({ key, casedKey, line }) => [
          key,
          casedKey,
          line.toString('latin1'),
        ]);
        assert.deepEqual(ours, theirs);
      }),
      { numRuns: 3000 },
    );
  });

  test('a name longer than anybody signs is none', () => {
    const [row] = headerRows(parseHeaderSection(Buffer.from(`${'a'.repeat(2000)}: b\r\n`)).fields);
    assert.deepEqual([row?.key, row?.line.length], ['', 2003]);
  });
});

const key = makeKey('example.com', 's1', 'ed25519');
const now = new Date('2026-01-05T10:00:00Z');
const resolve = async () => [[key.record]];

/** What mailauth alone makes of a message: value and reason of each signature, authors, From fields. */
async function theirs(message: Buffer): Promise<unknown> {
  const options = { resolver: resolve, minBitLength: 1024, curTime: now, strict: true };
  const { results, headerFrom, fromFields } = await dkimVerify(message, options);
  const signatures = results.map(({ status, signature = '', canonBodyLengthLimit, canonBodyLengthTotal }) => {
    if (status.result === 'neutral' && status.comment !== 'expired') return [status.result, status.comment];
    // In two things we are stricter: its decoder passes over what is no base64, and l= may be larger than the body.
    if (!/^[A-Za-z0-9+/]+=*$/.test(signature)) return ['neutral', 'signature syntax error'];
    const exceeds = Number(canonBodyLengthLimit) > Number(canonBodyLengthTotal);
    return exceeds ? ['neutral', 'l= exceeds the body'] : [status.result, status.comment];
  });
  return [signatures[0]?.[0] === 'none' ? [] : signatures, headerFrom, fromFields];
}

async function ours(message: Buffer, size: number): Promise<unknown> {
  const collector = new HeaderCollector(message.length);
  const sizeBytes = collector.push(message);
  const { fields } = collector.section();
  const verifier = new Verifier({ header: fields, resolve, now });
  for (const chunk of chunks(message.subarray(sizeBytes), size)) verifier.update(chunk);
  const verification = verifier.finish();
  const options = { resolve, maximum: 10, minimumKeyBits: 1024 };
  const { findings } = await verification.verify('dkim-signature', options);
  const signatures = findings.map((finding) =>
    finding.kind === 'verified' ? [finding.result.status.result, finding.result.status.comment] : finding,
  );
  return [signatures, verification.headerFrom, verification.fromFields];
}

describe('a signed message that was tampered with', () => {
  const signatures = fc.record({
    names: fc.shuffledSubarray(['From', 'from', 'Subject', 'Subject', 'To', 'X-Absent', 'Date'], {
      minLength: 1,
    }),
    limit: fc.option(fc.nat(12)),
    tags: fc.option(
      fc.constantFrom('t=1; x=2', 't=1', 'q=dns/txt', 'i=a@example.com', 'i=a@other.example', 'v=1'),
    ),
  });
  const strangeLine = fc.constantFrom(
    'From: eve@example.net',
    'from : eve@example.net',
    'From\r\n : eve@example.net',
    ' folded under what is above',
    'no field at all',
    'From',
    'Subject: other',
    'X-Absent: present',
    'To: a: b@example.com, c@example.com;',
  );
  /** Where in the message, by its lines, something is put between. */
  const tampering = fc.array(fc.tuple(fc.nat(14), strangeLine), { maxLength: 2 });

  test('comes to what mailauth says of it, signature by signature', async () => {
    const list = fc.array(signatures, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(list, tampering, fc.integer({ min: 1, max: 50 }), async (wanted, changes, size) => {
        let message = plain;
        for (const { names, limit, tags } of wanted) {
          const how: FieldSignature = {
            algorithm: 'ed25519-sha256',
            names,
            ...(limit !== null && { limit }),
            ...(tags !== null && { tags }),
          };
          message = signField(message, key, how).toString('latin1');
        }
        const lines = message.split('\r\n');
        for (const [at, line] of changes) lines.splice(at, 0, line);
        const tampered = Buffer.from(lines.join('\r\n'), 'latin1');
        assert.deepEqual(await ours(tampered, size), await theirs(tampered));
      }),
      { numRuns: 400 },
    );
  });
});
