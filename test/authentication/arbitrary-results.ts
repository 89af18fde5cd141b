// Results as checks could give them at their worst, for tests of what is written of them (fast-check).
import fc from 'fast-check';
import type { Property, Result, ResultValue } from '../../src/authentication/result.ts';

/** What has broken headers before. */
const fragments = [
  ...['"', '\\', '(', ')', ';', '=', '@', '.', ',', '/', ' ', '  ', '\t', '\0', '\x7f', '\u0085', '\u2028'],
  ...['\r', '\n', '\r\n', '\r\n ', '\r\n\r\n', '\r\nX-Evil: 1\r\n', '\ud800', '\udc00', '\u202e', '\ufeff'],
  ...[
    '; dkim=pass header.d=forged.example',
    'none',
    'reason=',
    'ü',
    '漢字',
    '😀',
    'bücher.example',
    'e\u0301',
  ],
];

/** Any text at all: any code unit, what is dangerous, and what is long. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 500 }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc
    .array(fc.oneof(fc.constantFrom(...fragments), fc.string({ maxLength: 5 })), { maxLength: 20 })
    .map((parts) => parts.join('')),
  fc
    .tuple(fc.constantFrom(...fragments, 'x', 'word ', '()'), fc.integer({ min: 1, max: 2000 }))
    .map(([part, times]) => part.repeat(times)),
);

/** Printable ASCII that is not too long to be written. */
export const plainText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 400 }),
  fc.constantFrom(
    'a@b.example',
    '@b.example',
    'a..b@c.example',
    '.a@b.example',
    'a/b=@c.example',
    '"a b"@c.example',
  ),
);

/** RFC 8601 §2.2. */
export const keyword: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('spf', 'dkim', 'x-tls', 'header', 'smtp', 'd', 'mailfrom', 'policy', 'dns'),
  fc.stringMatching(/^[a-z0-9-]{0,20}[a-z0-9]$/),
);

const value = fc.constantFrom<ResultValue>('none', 'pass', 'fail', 'temperror', 'policy', 'skipped');

/** A result whose texts are of one kind, and its names of another. */
export function results(names: fc.Arbitrary<string>, texts: fc.Arbitrary<string>): fc.Arbitrary<Result[]> {
  const properties: fc.Arbitrary<Property[]> = fc.array(
    fc.record(
      { ptype: names, property: names, value: texts, comment: texts },
      { requiredKeys: ['ptype', 'property', 'value'] },
    ),
    { maxLength: 5 },
  );
  return fc.array(
    fc.record(
      { method: names, value, reason: texts, comment: texts, properties },
      { requiredKeys: ['method', 'value', 'properties'] },
    ),
    { maxLength: 5 },
  );
}
