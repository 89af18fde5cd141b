// docs/authentication-milter.md: its configuration and its module do what authentication_milter did by default.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { runVerify } from '../../src/verify/command.ts';
import { unfold, write } from './messages.ts';

const page = readFileSync(new URL('../../docs/authentication-milter.md', import.meta.url), 'utf8');

/** What stands in the page's one block of that language. */
function block(language: string): string {
  const found = [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))];
  assert.equal(found.length, 1, `${found.length} blocks of ${language}`);
  return found[0]?.[1] ?? '';
}

const zone = write(
  'milter-zone.yaml',
  stringify({
    'bank.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'], MX: ['10 mx.bank.example'] },
    '_dmarc.bank.example': { TXT: ['v=DMARC1; p=reject'] },
  }),
);
const removed = [
  'Authentication-Results: old.example.com; spf=pass',
  'X-Authentication-Results: mx.example.com; spf=pass',
];
const message = write(
  'milter.eml',
  [...removed, 'From: service@bank.example', 'Subject: Your account', '', 'Pay at once.', ''].join('\r\n'),
);

interface Said {
  readonly fields: readonly string[];
  readonly removed: readonly { field: string; instead: string }[];
  readonly disposition: { kind: string };
}

/** What verify says of the message from that client. */
async function judge(configuration: object, ip: string): Promise<Said> {
  const config = write('milter.yaml', stringify(configuration));
  const options = { config, zone, ip, helo: 'mail.bank.example', from: 'service@bank.example', json: true };
  return JSON.parse((await runVerify(message, options, (note) => assert.fail(note))).report);
}

test('with the page’s configuration, a message gets the fields that authentication_milter gave it', async () => {
  const said = await judge(parse(block('yaml')), '203.0.113.66');
  const [results = '', receivedSpf = '', quarantine = ''] = said.fields.map(unfold);
  const methods = results.split('; ').map((result) => result.replace(/^([a-z-]+=[a-z]+).*/s, '$1'));
  assert.deepEqual(methods, [
    'Authentication-Results: mx.example.com',
    'iprev=permerror',
    'x-ptr=fail',
    'spf=fail',
    'dkim=none',
    'arc=none',
    'dmarc=fail',
    'x-return-mx=pass',
  ]);
  assert.match(receivedSpf, /^Received-SPF: fail /);
  assert.equal(quarantine.trimEnd(), 'X-Disposition-Quarantine: DMARC fail for bank.example (p=reject)');
  assert.equal(said.disposition.kind, 'quarantine');
  assert.deepEqual(
    said.removed.map(({ field, instead }) => [field.trimEnd(), instead.trimEnd()]),
    removed.map((field) => [field, field.replace(/^[^:]*/, 'X-Received-Authentication-Results')]),
  );
});

test('with it, what authentication_milter takes for a local address is one', async () => {
  for (const ip of ['10.0.0.1', '100.64.0.1', '169.254.0.1', 'fe80::1', 'fd00::1']) {
    assert.match((await judge(parse(block('yaml')), ip)).fields.join(), /^[^;]*;\s*dkim=/, ip);
  }
});

test('the page’s module writes x-trusted-ip for trusted clients, and for no others', async () => {
  const module = write('x-trusted-ip.mjs', block('js'));
  const configuration = {
    hostname: 'mx.example.com',
    networks: { trusted: ['198.51.100.7'] },
    checks: { custom: [module] },
  };
  const told = async (ip: string) =>
    (await judge(configuration, ip)).fields.join().includes('x-trusted-ip=pass');
  assert.deepEqual([await told('198.51.100.7'), await told('198.51.100.8')], [true, false]);
});
