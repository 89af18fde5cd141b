// Why TLS cannot be had, in words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tlsFailure } from '../../src/smtp/tls-failure.ts';

const openssl = (message: string, reason: string) =>
  Object.assign(new Error(message), { library: 'SSL routines', reason });

test('of an error of OpenSSL its reason is told, also where smtp-server has written another text over it', () => {
  const text = '40:error:0A000102:SSL routines:f:unsupported protocol:../deps/openssl/statem.c:1:\n';
  assert.equal(tlsFailure(openssl(text, 'unsupported protocol')), 'unsupported protocol');
  const unknown = openssl('Failed to establish TLS session', 'tlsv1 alert unknown ca');
  assert.equal(tlsFailure(unknown), 'tlsv1 alert unknown ca');
});

test('Node.js is not recommended to who has not called it', () => {
  const error = new Error(
    'self-signed certificate; if the root CA is installed locally, try running Node.js with --use-system-ca',
  );
  assert.equal(tlsFailure(error), 'self-signed certificate');
});

test('whatever else there is stays as it is', () => {
  const other = Object.assign(new Error('Hostname/IP does not match: Host: a'), { reason: 'Host: a' });
  assert.equal(tlsFailure(other), 'Hostname/IP does not match: Host: a');
  assert.equal(tlsFailure('closed'), 'closed');
});
