// The key that messages are sealed with: read where the configuration is loaded, and blamed by line.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { ConfigurationError } from '../../src/config/mistakes.ts';
import { makeKey } from '../support/signing.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-seal-'));
after(() => rmSync(directory, { recursive: true }));

const pem = { format: 'pem', type: 'pkcs8' } as const;
const rsa = makeKey('example.com', 'arc', 'rsa', 2048).privateKey;
const ed25519 = makeKey('example.com', 'arc', 'ed25519').privateKey;

/** Loads a file whose line 8 names the key file, with `arc` on line 6 and following. */
function load(key: string, options = '') {
  const file = join(directory, 'postern.yaml');
  writeFileSync(
    file,
    `listeners:
  - { name: in, listen: "127.0.0.1:0", mode: after-queue, destinations: ["smtp://127.0.0.1:26"] }
checks:
  arc:
    seal:
      domain: example.com
      selector: arc
      key: ${key}
${options}`,
  );
  return loadConfiguration({ file, environment: {} });
}

function mistakesOf(key: string): string {
  try {
    load(key);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    for (const mistake of error.mistakes) assert.match(mistake, /^\P{Cc}+; expected \P{Cc}+$/u);
    return error.message.replaceAll(`${directory}/`, '');
  }
  assert.fail('no mistake was found');
}

test('an RSA or an Ed25519 key is read, relative to the configuration', () => {
  mkdirSync(join(directory, 'keys'));
  writeFileSync(join(directory, 'keys/arc.pem'), rsa);
  writeFileSync(join(directory, 'ed.pem'), ed25519);
  assert.deepEqual(load('keys/arc.pem').seal, { domain: 'example.com', selector: 'arc', privateKey: rsa });
  assert.deepEqual(load(join(directory, 'ed.pem')).seal?.privateKey, ed25519);
});

test('a key of the older form (PKCS#1) is taken too', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  writeFileSync(join(directory, 'old.pem'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
  assert.equal(load('old.pem').seal?.privateKey, privateKey.export(pem));
});

test('nobody seals unless the file says so', () => {
  const file = join(directory, 'plain.yaml');
  writeFileSync(
    file,
    'listeners: [{ name: in, listen: "127.0.0.1:0", mode: after-queue, destinations: ["smtp://127.0.0.1:26"] }]\n',
  );
  assert.equal(loadConfiguration({ file, environment: {} }).seal, undefined);
});

const unusable: readonly (readonly [string, string, RegExp])[] = [
  ['a key that is too short', makeKey('e.example', 's', 'rsa', 512).privateKey, /an RSA key of 512 bits;/],
  [
    'a key of another kind',
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pem).toString(),
    /a key of type ec;/,
  ],
  [
    'a key for another purpose',
    generateKeyPairSync('x25519').privateKey.export(pem).toString(),
    /a key of type x25519;/,
  ],
  [
    'a public key',
    generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    /no private key that can be read;/,
  ],
  [
    'a key with a passphrase',
    generateKeyPairSync('ed25519')
      .privateKey.export({ ...pem, cipher: 'aes-256-cbc', passphrase: 'x' })
      .toString(),
    /no private key that can be read;/,
  ],
  ['something else', 'not a key', /no private key that can be read;/],
  ['an empty file', '', /no private key that can be read;/],
];

for (const [what, content, expected] of unusable) {
  test(`${what} is a mistake, and what the file holds is not repeated`, () => {
    writeFileSync(join(directory, 'bad.pem'), content);
    const mistake = mistakesOf('bad.pem');
    assert.match(mistake, /^postern\.yaml:8: checks\.arc\.seal\.key: cannot be used: /);
    assert.match(mistake, expected);
    const secret = content.split('\n')[1] ?? '';
    assert.ok(secret === '' || !mistake.includes(secret));
  });
}

test('a file that is not there is a mistake of the key', () => {
  assert.match(
    mistakesOf('missing.pem'),
    /^postern\.yaml:8: checks\.arc\.seal\.key: .*ENOENT.*; expected a readable file$/,
  );
});

test('mistakes in domain, selector and sealers say what is expected', () => {
  const file = join(directory, 'wrong.yaml');
  writeFileSync(
    file,
    `listeners: [{ name: in, listen: "127.0.0.1:0", mode: after-queue, destinations: ["smtp://127.0.0.1:26"] }]
checks:
  arc:
    trustedSealers: [example.com, .example.org, "a b", "*.example.net"]
    seal: { domain: example, selector: "a;b", key: "" }
`,
  );
  assert.throws(
    () => loadConfiguration({ file, environment: {} }),
    (error) => {
      assert.ok(error instanceof ConfigurationError);
      const [...mistakes] = error.mistakes.map((mistake) => mistake.replaceAll(`${directory}/`, ''));
      assert.deepEqual(mistakes, [
        'wrong.yaml:4: checks.arc.trustedSealers[2]: is not a domain; expected a domain such as example.com, or .example.com for it and its subdomains',
        'wrong.yaml:4: checks.arc.trustedSealers[3]: is not a domain; expected a domain such as example.com, or .example.com for it and its subdomains',
        'wrong.yaml:5: checks.arc.seal.domain: is not a domain; expected one such as example.com',
        'wrong.yaml:5: checks.arc.seal.selector: is not a selector; expected letters in lower case, digits and hyphens',
        'wrong.yaml:5: checks.arc.seal.key: is empty; expected the name of a file',
      ]);
      return true;
    },
  );
});

test('internationalised domains become A-labels, dots in front stay', () => {
  writeFileSync(join(directory, 'ed.pem'), ed25519);
  const { checks } = load('ed.pem', '    trustedSealers: [Bücher.Example, .LISTS.example]\n');
  assert.ok(checks.arc);
  assert.deepEqual(checks.arc.trustedSealers, ['xn--bcher-kva.example', '.lists.example']);
});
