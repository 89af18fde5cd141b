// Destinations as administrators write them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDestination } from '../../src/relay/destination.ts';

const plain = { tls: 'none', verify: true } as const;
const good = {
  'smtp://mail.example.com:10026': {
    ...plain,
    protocol: 'smtp',
    address: { host: 'mail.example.com', port: 10026 },
  },
  'smtp://127.0.0.1': { ...plain, protocol: 'smtp', address: { host: '127.0.0.1', port: 25 } },
  'SMTP://post_fix': { ...plain, protocol: 'smtp', address: { host: 'post_fix', port: 25 } },
  'smtp://example.com.:26': { ...plain, protocol: 'smtp', address: { host: 'example.com.', port: 26 } },
  'smtps://mail.example.com': {
    protocol: 'smtp',
    tls: 'implicit',
    verify: true,
    address: { host: 'mail.example.com', port: 465 },
  },
  'lmtp://[::1]': { ...plain, protocol: 'lmtp', address: { host: '::1', port: 24 } },
  'lmtp://[2001:db8::1]:2424?starttls=yes&verify=no': {
    protocol: 'lmtp',
    tls: 'starttls',
    verify: false,
    address: { host: '2001:db8::1', port: 2424 },
  },
  'smtp://a?starttls=no': { ...plain, protocol: 'smtp', address: { host: 'a', port: 25 } },
  'smtp+unix:/run/in.sock': { ...plain, protocol: 'smtp', address: { path: '/run/in.sock' } },
  'lmtp+unix:/var/run/dovecot/lmtp': {
    ...plain,
    protocol: 'lmtp',
    address: { path: '/var/run/dovecot/lmtp' },
  },
} as const;

for (const [text, expected] of Object.entries(good)) {
  test(`${text} is a destination`, () => {
    assert.deepEqual(parseDestination(text), { ...expected, text });
  });
}

const bad: Readonly<Record<string, RegExp>> = {
  '': /expected smtp:/,
  '127.0.0.1:25': /expected smtp:/,
  'http://a': /expected smtp:/,
  'smtp:a': /expected smtp:/,
  'lmtps://a': /expected smtp:/,
  'smtp://': /host is missing/,
  'smtp://:25': /host is missing/,
  'smtp://::1': /must be in brackets: \[::1\]/,
  'smtp://[::g]': /not a host name or address/,
  'smtp://[127.0.0.1]': /not a host name or address/,
  'smtp://a b': /not a host name or address/,
  'smtp://user@a': /not a host name or address/,
  'smtp://a..b': /not a host name or address/,
  'smtp://-a': /not a host name or address/,
  'smtp://a/b': /not a host name or address/,
  'smtp://a\n': /not a host name or address/,
  'smtp://a:0': /between 1 and 65535/,
  'smtp://a:65536': /between 1 and 65535/,
  'smtp://a:': /between 1 and 65535/,
  'smtp://a:25/': /between 1 and 65535/,
  'smtp://a:x': /between 1 and 65535/,
  'smtp://a?tls=yes': /unknown option "tls"/,
  'smtp://a?': /unknown option/,
  'smtp://a?starttls': /starttls must be yes or no/,
  'smtp://a?starttls=maybe': /starttls must be yes or no/,
  'smtp://a?starttls=yes&starttls=no': /given twice/,
  'smtp://a?verify=no': /verify needs TLS/,
  'smtps://a?starttls=yes': /begins with TLS/,
  'smtp+unix:run/in.sock': /absolute/,
  'smtp+unix:/': /absolute/,
  'smtp+unix:/run/': /absolute/,
  'smtp+unix:': /absolute/,
  [`smtp+unix:/${'a'.repeat(107)}`]: /more than 107/,
  'smtp+unix:/run/in.sock?starttls=yes': /takes no options/,
  'smtps+unix:/run/in.sock': /expected smtp:/,
};

for (const [text, expected] of Object.entries(bad)) {
  test(`${JSON.stringify(text)} is none, and the message says why`, () => {
    const message = parseDestination(text);
    assert.ok(typeof message === 'string', 'a message is expected');
    assert.match(message, expected);
  });
}
