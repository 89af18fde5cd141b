// Fields of ours for arbitrary inputs: what each line is made of, and that a reader of its own finds what was put in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { domainToUnicode } from 'node:url';
import fc from 'fast-check';
import { formatAddedField, safeText } from '../../src/authentication/header/fields.ts';
import { formatReceivedSpf } from '../../src/authentication/header/received-spf.ts';
import { formatAuthenticationResults } from '../../src/authentication/header/results-field.ts';
import type { Property } from '../../src/authentication/result.ts';
import { parseHeaderSection } from '../../src/message/header-section.ts';
import { anyText, keyword, plainText, results } from './arbitrary-results.ts';
import { readResults, unfold } from './results-reader.ts';

const name = 'Authentication-Results';

/** The same cases each time: a test that fails now and then is read by nobody. */
const check = <T>(property: fc.IPropertyWithHooks<T>) => fc.assert(property, { seed: 8601, numRuns: 1000 });

/** What holds for each field, whatever is in it. */
function assertOneField(field: string, fieldName: string, smtputf8: boolean): void {
  assert.ok(field.startsWith(`${fieldName}:`));
  const { fields } = parseHeaderSection(Buffer.from(field, 'latin1'));
  assert.deepEqual(
    fields.map((each) => each.name),
    [fieldName],
  );
  const lines = field.split('\r\n');
  assert.equal(lines.pop(), '');
  for (const [i, line] of lines.entries()) {
    if (i > 0) assert.match(line, /^ {1,2}\S/, 'a folded line begins with white space, and has more');
    assert.ok(line.length <= 998, `${line.length} octets`);
    if (line.length > 78) assert.doesNotMatch(line, /\S \S/, 'it could have been folded');
    if (smtputf8) assertSafeUtf8(line);
    else assert.match(line, /^[\x20-\x7e]*$/);
  }
}

function assertSafeUtf8(line: string): void {
  const bytes = Buffer.from(line, 'latin1');
  const text = bytes.toString('utf8');
  assert.deepEqual(Buffer.from(text), bytes, 'valid UTF-8');
  assert.doesNotMatch(text, /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
}

function read(field: string) {
  const body = unfold(field).slice(name.length + 1);
  return readResults(Buffer.from(body, 'latin1').toString('utf8'));
}

test('whatever results hold, one safe field comes out that can be read', () => {
  const arbitrary = fc.tuple(results(fc.oneof(keyword, anyText), anyText), anyText, fc.boolean());
  check(
    fc.property(arbitrary, ([given, authservId, smtputf8]) => {
      const field = formatAuthenticationResults(name, authservId, given, smtputf8);
      assertOneField(field, name, smtputf8);
      assert.ok(read(field).results.length <= given.length, 'no result but ours');
    }),
  );
});

test('with names as they should be, each result comes back, with no property that was not there', () => {
  check(
    fc.property(results(keyword, anyText), fc.boolean(), (given, smtputf8) => {
      const found = read(formatAuthenticationResults(name, 'mx.example.org', given, smtputf8));
      assert.equal(found.authservId, 'mx.example.org');
      assert.deepEqual(
        found.results.map(({ method, value }) => [method, value]),
        given.map(({ method, value }) => [method, value]),
      );
      for (const [i, { properties }] of found.results.entries()) {
        assertFrom(given[i]?.properties ?? [], properties, smtputf8);
      }
    }),
  );
});

/** What was read is what was given, but for what was left out; values are the same or, in ASCII, their A-labels. */
function assertFrom(
  given: readonly Property[],
  found: readonly (readonly [string, string])[],
  smtputf8: boolean,
): void {
  const left = [...given];
  for (const [foundName, foundValue] of found) {
    const at = left.findIndex(
      ({ ptype, property, value }) =>
        `${ptype}.${property}` === foundName &&
        (value === foundValue || (!smtputf8 && isAsciiOf(foundValue, value))),
    );
    assert.ok(at >= 0, `${foundName}=${foundValue} was not among ${JSON.stringify(given)}`);
    left.splice(0, at + 1);
  }
}

function isAsciiOf(ascii: string, value: string): boolean {
  const [local, domain] = [
    value.slice(0, value.lastIndexOf('@') + 1),
    value.slice(value.lastIndexOf('@') + 1),
  ];
  const foundLocal = ascii.slice(0, ascii.lastIndexOf('@') + 1);
  const foundDomain = domainToUnicode(ascii.slice(foundLocal.length));
  const sameLocal = foundLocal === local || (foundLocal === '@' && /[^\x20-\x7e]/.test(local));
  return sameLocal && (foundDomain === domain.normalize('NFC').toLowerCase() || ascii.endsWith(domain));
}

test('printable ASCII comes back as it was, every property of it', () => {
  check(
    fc.property(results(keyword, plainText), fc.boolean(), (given, smtputf8) => {
      const found = read(formatAuthenticationResults(name, 'mx.example.org', given, smtputf8));
      assert.deepEqual(
        found.results.map(({ properties }) => properties),
        given.map(({ properties }) =>
          properties.map(({ ptype, property, value }) => [`${ptype}.${property}`, value]),
        ),
      );
    }),
  );
});

test('with SMTPUTF8 so does all that can be seen', () => {
  const visible = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
    .filter((text) => Buffer.byteLength(text) <= 400 && !/[\u2028\u2029]/.test(text));
  check(
    fc.property(results(keyword, visible), (given) => {
      const found = read(formatAuthenticationResults(name, 'mx.example.org', given, true));
      assert.deepEqual(
        found.results.map(({ properties }) => properties.map(([, value]) => value)),
        given.map(({ properties }) => properties.map(({ value }) => value)),
      );
    }),
  );
});

test('reasons and comments come back as the text that was made of them', () => {
  check(
    fc.property(results(keyword, anyText), fc.boolean(), (given, smtputf8) => {
      const found = read(formatAuthenticationResults(name, 'mx.example.org', given, smtputf8));
      const texts = (all: readonly (string | undefined)[]) =>
        all.map((text) => safeText(text ?? '', smtputf8)).filter((text) => text !== '');
      assert.deepEqual(
        found.results.map(({ reason = '' }) => reason),
        given.map(({ reason = '' }) => safeText(reason, smtputf8)),
      );
      const written = new Set(
        texts(given.flatMap((each) => [each.comment, ...each.properties.map(({ comment }) => comment)])),
      );
      for (const comment of found.comments) {
        assert.ok(written.has(comment.replace(/ +/g, ' ')), `${comment} was not written`);
      }
      assert.ok(found.comments.length >= texts(given.map(({ comment }) => comment)).length);
    }),
  );
});

test('a text of printable ASCII that is not too long is not changed but for its white space', () => {
  const words = fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 30 }), { maxLength: 10 });
  check(
    fc.property(words, (given) => {
      const text = given.join(' ');
      assert.equal(safeText(text, false), text.split(' ').filter(Boolean).join(' '));
    }),
  );
});

test('whatever a check adds, one safe field comes out, or none', () => {
  const fieldName = fc.oneof(fc.constantFrom('X-Added', 'a', 'x'.repeat(70)), anyText);
  check(
    fc.property(fieldName, anyText, fc.boolean(), (added, value, smtputf8) => {
      const field = formatAddedField({ name: added, value }, smtputf8);
      if (field !== undefined) assertOneField(field, added, smtputf8);
      const isName = /^[!-9;-~]{1,70}$/.test(added);
      const fits = Buffer.byteLength(value) <= 65_536;
      assert.equal(field !== undefined, isName && fits && safeText(value, smtputf8) !== '');
    }),
  );
});

test('whatever SPF was based on, one safe Received-SPF comes out', () => {
  const context = fc.record({
    client: fc.record({ ip: anyText, helo: anyText }, { requiredKeys: [] }),
    reversePath: anyText,
    hostname: anyText,
  });
  check(
    fc.property(results(keyword, anyText), context, fc.boolean(), (given, about, smtputf8) => {
      for (const result of given) {
        assertOneField(formatReceivedSpf(result, about, smtputf8), 'Received-SPF', smtputf8);
      }
    }),
  );
});
