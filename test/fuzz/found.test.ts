// What fuzzing has found, one input each: none of them may come back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigurationError } from '../../src/config/mistakes.ts';
import { parseYaml } from '../../src/config/source.ts';
import { parseExtensions } from '../../src/smtp/extensions.ts';
import { parsePathArgument } from '../../src/smtp/path.ts';
import { parseXforward } from '../../src/smtp/xforward.ts';
import { lineWriter } from '../../src/telemetry/log-line.ts';
import { maskName } from '../../src/telemetry/mask-text.ts';
import { Masker } from '../../src/telemetry/privacy.ts';

/** The fastest of three, on the processor's clock: others use the machine as well. */
function cpuMs(work: () => void): number {
  return Math.min(
    ...[1, 2, 3].map(() => {
      const before = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    }),
  );
}

test('rows of blanks and thousands of parameters cost no more than their length', () => {
  const blanks = ' '.repeat(60_000);
  assert.ok(cpuMs(() => parsePathArgument(`<a@b> x${blanks}x`)) < 300);
  const parameters = Array.from({ length: 10_000 }, (_, i) => `p${i}`).join(' ');
  assert.ok(cpuMs(() => parsePathArgument(`<a@b> ${parameters}`)) < 300);
  const lines: [string, ...string[]] = ['x', ...Array.from({ length: 255 }, () => `x${' '.repeat(4090)}x`)];
  assert.ok(cpuMs(() => parseExtensions({ code: 250, lines })) < 300);
});

test('a zone of IPv6 that one library knows and another does not stops nobody', () => {
  assert.equal(maskName('fe80::1%x.'), '***');
  const client = { ip: 'fe80::1%eth0.100', helo: 'fe80::1%x.' };
  const fields = new Masker('all').fields(
    { helo: client.helo, text: client.helo },
    { addresses: [], client },
  );
  assert.equal(typeof fields.text, 'string');
  const said = parseXforward('ADDR=IPV6:fe80::1%eth0.100');
  assert.ok(typeof said === 'object');
  assert.equal(said.get('ADDR'), 'fe80::1');
  const embedded = parseXforward('ADDR=IPV6:::192.0.2.1');
  assert.ok(typeof embedded === 'object');
  assert.equal(embedded.get('ADDR'), '::c000:201');
  assert.equal(parseXforward('ADDR=192.0.2.1%eth0'), 'bad value of ADDR');
});

test('a field of the log may have any name', () => {
  for (const name of ['valueOf', 'constructor', '__proto__', 'toString']) {
    assert.match(lineWriter('text')('info', 'x', { [name]: 1, after: 2 }), /after=2/);
  }
});

test('a mistake in YAML does not repeat the file', () => {
  assert.throws(
    () => parseYaml('postern.yaml', `listeners:\n- a\n${'\r'.repeat(10_000)}\n]${'x'.repeat(100_000)}\n`),
    (error) =>
      error instanceof ConfigurationError && error.mistakes.every((mistake) => mistake.length < 1000),
  );
});
