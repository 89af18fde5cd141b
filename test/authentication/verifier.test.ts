// The verifier reads a message as mailauth does, which stays the judge of what a signature covers.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BodyHasher, coverageKey } from '../../src/authentication/body-hash.ts';
import { headerRows } from '../../src/authentication/header-rows.ts';
import { parseHeaderSection } from '../../src/message/header-section.ts';

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
