// What we write is what somebody else's parser reads: Debian's python3-authres, on arbitrary results.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { safeText } from '../../src/authentication/header/fields.ts';
import { formatAuthenticationResults } from '../../src/authentication/header/results-field.ts';
import type { Property, Result } from '../../src/authentication/result.ts';
import { plainText, results } from '../authentication/arbitrary-results.ts';
import { skipWithoutTools } from './support/requires.ts';

const skip = skipWithoutTools('authres');

/** All fields are in the header of one message, so that Python's own parser cuts and unfolds them. */
const program = `
import email.parser, json, re, sys
import authres
message = email.parser.BytesParser().parse(sys.stdin.buffer)
fields = []
for name, body in message.items():
    parsed = authres.parse(name + ': ' + re.sub(r'\\r?\\n', '', body))
    fields.append({
        'authservId': parsed.authserv_id,
        'results': [{
            'method': result.method,
            'value': result.result,
            'reason': result.reason,
            'properties': [[p.type + '.' + p.name, p.value] for p in result.properties],
        } for result in parsed.results],
    })
json.dump({'fields': fields, 'defects': [str(defect) for defect in message.defects]}, sys.stdout)
`;

interface Parsed {
  readonly defects: readonly string[];
  readonly fields: readonly {
    readonly authservId: string;
    readonly results: readonly {
      readonly method: string;
      readonly value: string;
      readonly reason: string | null;
      readonly properties: readonly (readonly [string, string])[];
    }[];
  }[];
}

/**
 * python3-authres 1.2 knows no ptypes but these of RFC 8601 §2.3, not the one of RFC 8904 either; it
 * takes names for lower case, and a method that begins with "none" for the whole of "none".
 */
const ptypes = ['smtp', 'header', 'body', 'policy'];
const names = fc.oneof(
  fc.constantFrom(...ptypes, 'spf', 'dkim', 'iprev', 'auth', 'dmarc', 'x-tls', 'd', 'from', 'mailfrom'),
  fc.stringMatching(/^[a-z0-9-]{0,20}[a-z0-9]$/).filter((name) => !name.startsWith('none')),
);

/**
 * It reads a quoted-string as a property's value only at the end of a result, though RFC 8601 §2.2
 * lets another property follow: only the last property is arbitrary, those before are tokens.
 */
const token = fc.stringMatching(/^[!#$%&'*+.0-9A-Z^_`a-z{|}~-]{1,60}$/);

const arbitrary = fc
  .array(fc.tuple(results(names, plainText), fc.array(token, { minLength: 5, maxLength: 5 })), {
    minLength: 300,
    maxLength: 300,
  })
  .map((fields) => fields.map(([given, tokens]) => given.map((result) => readable(result, tokens))));

function readable(result: Result, tokens: readonly string[]): Result {
  const last = result.properties.length - 1;
  const properties = result.properties.map((property, i): Property => {
    const value = i === last ? property.value : (tokens[i] ?? 'token');
    return { ...property, ptype: ptypes[i % ptypes.length] ?? 'header', value };
  });
  return { ...result, properties };
}

test('python3-authres reads back methods, values, reasons and properties', { skip }, () => {
  const [given = []] = fc.sample(arbitrary, { seed: 8601, numRuns: 1 });
  const written = given.map((each) =>
    formatAuthenticationResults('Authentication-Results', 'mx.example.org', each, false),
  );
  const message = Buffer.from(`${written.join('')}\r\n`, 'latin1');
  const { fields, defects } = read(message);
  assert.deepEqual(defects, []);
  assert.equal(fields.length, 300);
  assert.ok(given.flat().flatMap(({ properties }) => properties).length > 300, 'there is something to read');
  for (const [i, { authservId, results: found }] of fields.entries()) {
    assert.equal(authservId, 'mx.example.org');
    assert.deepEqual(
      // It leaves the backslashes of quoted pairs where they are.
      found.map(({ reason, properties, ...result }) => ({
        ...result,
        reason: unescaped(reason ?? ''),
        properties: properties.map(([name, value]) => [name, unescaped(value)]),
      })),
      (given[i] ?? []).map(({ method, value, reason = '', properties }) => ({
        method,
        value,
        reason: safeText(reason, false),
        properties: properties.map(({ ptype, property, value }) => [`${ptype}.${property}`, value]),
      })),
      written[i],
    );
  }
});

/** The system's own Python has Debian's packages; another one may come first in PATH. */
function read(message: Buffer): Parsed {
  const { status, stdout, stderr, error } = spawnSync('/usr/bin/python3', ['-c', program], {
    input: message,
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.ifError(error);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Parsed;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, '$1');
}
