// Where HTTP answers: on loopback without more ado, anywhere else with a token.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { ConfigurationError } from '../../src/config/mistakes.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-http-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const token = '0123456789abcdef';
writeFileSync(join(directory, 'token'), `${token}\n`);
writeFileSync(join(directory, 'short'), 'hunter2\n');

const listener =
  '{ name: in, listen: "127.0.0.1:10025", mode: after-queue, destinations: ["smtp://127.0.0.1:10026"] }';

/** What becomes of the line about `http`. */
function http(line: string, environment: NodeJS.ProcessEnv = {}) {
  const file = join(directory, 'postern.yaml');
  writeFileSync(file, `listeners: [${listener}]\n${line}\n`);
  return loadConfiguration({ file, environment }).http;
}

/** What is said of it. */
function mistakes(line: string, environment?: NodeJS.ProcessEnv): readonly string[] {
  try {
    http(line, environment);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.mistakes;
    throw error;
  }
  return [];
}

test('an address of loopback is enough, and false is off', () => {
  assert.deepEqual(http(''), { host: '127.0.0.1', port: 8025 });
  assert.deepEqual(http('http: localhost:1'), { host: 'localhost', port: 1 });
  assert.deepEqual(http('http: "[::1]:1"'), { host: '::1', port: 1 });
  assert.deepEqual(http('http: { listen: 127.8.9.10:1 }'), { host: '127.8.9.10', port: 1 });
  assert.equal(http('http: false'), false);
});

test('an address that others can ask needs a token', () => {
  for (const address of [
    '0.0.0.0:8025',
    '[::]:8025',
    '192.0.2.1:8025',
    'mx.example.com:8025',
    '127.example.com:1',
  ]) {
    const [first = '', ...others] = mistakes(`http: "${address}"`);
    assert.ok(
      first.includes(`http: "${address}" can be asked from elsewhere; expected an address of loopback`),
      first,
    );
    assert.deepEqual(others, []);
  }
  assert.match(mistakes('http: { listen: 0.0.0.0:8025 }').join(), /can be asked from elsewhere/);
});

test('the token stands in the configuration, or in a file of its own', () => {
  const expected = { host: '0.0.0.0', port: 8025, token };
  assert.deepEqual(http(`http: { listen: 0.0.0.0:8025, token: ${token} }`), expected);
  assert.deepEqual(http('http: { listen: 0.0.0.0:8025, tokenFile: ./token }'), expected);
  assert.deepEqual(http(`http: { token: ${token} }`), { host: '127.0.0.1', port: 8025, token });
});

test('what is wrong with a token is told without it', () => {
  const said = mistakes('http: { listen: 0.0.0.0:8025, token: hunter2 }').join();
  assert.match(
    said,
    /http\.token: is no token; expected 16 to 256 printable ASCII characters without spaces/,
  );
  assert.doesNotMatch(said, /hunter2/);
  const ofFile = mistakes('http: { listen: 0.0.0.0:8025, tokenFile: ./short }').join();
  assert.match(ofFile, /http\.tokenFile: holds no token; expected 16 to 256/);
  assert.doesNotMatch(ofFile, /hunter2/);
  assert.match(
    mistakes('http: { listen: 0.0.0.0:8025, tokenFile: ./none }').join(),
    /http\.tokenFile: .*none/,
  );
  const twice = mistakes(`http: { listen: 0.0.0.0:8025, token: ${token}, tokenFile: ./token }`).join();
  assert.match(twice, /http\.tokenFile: has the token twice/);
});

test('the environment brings the token, beside an address from the file or of its own', () => {
  const environment = { POSTERN_HTTP_TOKEN: token };
  const expected = { host: '0.0.0.0', port: 8025, token };
  assert.deepEqual(http('http: 0.0.0.0:8025', environment), expected);
  assert.deepEqual(http('', { ...environment, POSTERN_HTTP: '0.0.0.0:8025' }), expected);
  assert.deepEqual(
    http('http: { listen: "127.0.0.1:1", tokenFile: ./token }', { POSTERN_HTTP: '0.0.0.0:8025' }),
    expected,
  );
  assert.equal(http('http: { tokenFile: ./token }', { POSTERN_HTTP: 'false' }), false);
  assert.match(mistakes('', { POSTERN_HTTP: '0.0.0.0:8025' }).join(), /^POSTERN_HTTP: .*POSTERN_HTTP_TOKEN/);
  assert.match(mistakes('', { POSTERN_HTTP_TOKEN: 'short' }).join(), /^POSTERN_HTTP_TOKEN: is no token/);
});

test('whoever only judges needs no token', () => {
  const file = join(directory, 'postern.yaml');
  writeFileSync(file, `listeners: [${listener}]\nhttp: { listen: "0.0.0.0:1", tokenFile: /none }\n`);
  assert.doesNotThrow(() => loadConfiguration({ file, environment: {}, purpose: 'judge' }));
});
