// Texts of strangers for people: in the log, masked, on a terminal.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { printable, printableJson, wrap } from '../../src/printable.ts';
import { Networks } from '../../src/smtp/networks.ts';
import { lineWriter, maxLineBytes, syslogWriter } from '../../src/telemetry/log-line.ts';
import { maskAddress, maskAddresses, maskIp, maskIps, maskName } from '../../src/telemetry/mask-text.ts';
import { Masker } from '../../src/telemetry/privacy.ts';
import { hostileText, type Target, target } from './target.ts';

const anyText = fc.oneof(
  hostileText(
    'user@example.com',
    '<a@b>',
    '192.0.2.1',
    '2001:db8::1',
    '[IPv6:',
    ']',
    '"a b"@c',
    '\\',
    '1.2.0.192.in-addr.arpa',
    'mail.',
    '/24',
    'fe80::1%x',
    '::',
  ),
  fc.string({ unit: 'binary', maxLength: 60 }),
);

function mask(text: string): void {
  const masked = maskAddresses(text);
  // What stands outside of quotes now may be read in another way than inside of them.
  if (!text.includes('"')) assert.equal(maskAddresses(masked), masked, 'idempotent');
  assert.ok(masked.length <= 4 * text.length + 3);
  assert.ok(maskIps(text).length <= 4 * text.length + 3);
  maskAddress(text);
  maskName(text);
}

const plainAddress = fc.tuple(
  fc.stringMatching(/^[a-z0-9._+-]{3,12}$/),
  fc.stringMatching(/^[a-z]{1,8}\.example$/),
  fc.constantFrom('', ' ', '<', '"', '(', ',', ';', ':'),
);

function hide([local, domain, beside]: [string, string, string]): void {
  const masked = maskAddresses(`x${beside}${local}@${domain}${beside}y`);
  if (beside !== '') assert.ok(!masked.includes(`${local}@`), masked);
  assert.ok(masked.includes(`@${domain}`));
}

const loopback = new Networks(['127.0.0.0/8', '::1']);

function hideAddress(ip: string): void {
  // The unspecified address is nobody's, and those that only embed one of IPv4 have been given up (RFC 4291 §2.5.5.1).
  if (ip === '::' || /^::[0-9]+\./.test(ip)) return;
  const masked = maskIps(`client [${ip}], reached`);
  assert.equal(masked, `client [${maskIp(ip)}], reached`);
  if (!loopback.includes(ip)) assert.match(masked, /\/(?:24|48)\], /);
}

function maskEvent(whole: string): void {
  // As long as an address or a name may be.
  const text = whole.slice(0, 512);
  const people = {
    addresses: [text, 'someone@example.com'],
    client: { ip: '192.0.2.77', name: text, helo: text },
  };
  for (const privacy of ['none', 'addresses', 'all'] as const) {
    const masker = new Masker(privacy);
    const fields = masker.fields(
      {
        from: text,
        client: { ip: '192.0.2.77', name: text },
        error: new Error(text),
        text: `${text} someone@example.com`,
      },
      people,
    );
    if (privacy !== 'none') assert.ok(!JSON.stringify(fields).includes('someone@'));
    if (privacy === 'all') assert.ok(!JSON.stringify(fields).includes('192.0.2.77'));
  }
}

function log(text: string): void {
  const fields = {
    client: { ip: text, helo: text },
    from: text,
    recipients: [{ to: text, reply: text }],
    [text]: [text, { [text]: text }],
    error: { message: text },
  };
  const writers = [
    lineWriter('json'),
    lineWriter('text'),
    lineWriter('syslog'),
    syslogWriter('json', text),
    syslogWriter('text', text),
  ];
  for (const write of writers) {
    const line = write('info', text, fields);
    assert.doesNotMatch(line, /[\p{Cc}\u2028\u2029\p{Bidi_Control}]/u);
    assert.ok(Buffer.byteLength(line) <= maxLineBytes, `${Buffer.byteLength(line)} bytes`);
  }
  const json = JSON.parse(lineWriter('json')('info', text, fields));
  assert.equal(json.level, 'info');
}

function print(text: string, width: number): void {
  const harmless = /^[^\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]*$/u;
  assert.match(printable(text).replaceAll('\t', ' '), harmless);
  assert.equal(printable(printable(text)), printable(text));
  assert.deepEqual(JSON.parse(printableJson(text)), JSON.parse(JSON.stringify(text)));
  assert.match(printableJson(text), harmless);
  const lines = wrap('label: ', text, width);
  for (const line of lines) assert.ok(line.length <= width && !line.includes('\n'), line);
}

export const textTargets: readonly Target[] = [
  target('masks', anyText, mask),
  target('hidden people', plainAddress, hide),
  target('masked addresses', fc.oneof(fc.ipV4(), fc.ipV6()), hideAddress),
  target('masked events', anyText, maskEvent, 1),
  target('log lines', anyText, log, 3),
  target('terminal', fc.tuple(anyText, fc.integer({ min: 20, max: 100 })), ([text, width]) =>
    print(text, width),
  ),
];
