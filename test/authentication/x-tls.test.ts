// x-tls: the TLS between client and upstream, as the upstream's Received tells it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, plain, unfolded, values } from './judge.ts';

const using = '(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))';

async function tlsOf(protocol: string, ...comments: string[]) {
  const received = [
    'Received: from mail.example (mail.example [192.0.2.10])',
    ...comments.map((comment) => `\t${comment}`),
    `\tby mx.example.com (Postfix) with ${protocol}; Tue,  3 Jun 2025 10:00:00 +0000`,
    '',
  ].join('\r\n');
  return judge({
    upstream: { helo: 'mx.example.com' },
    message: received + plain,
    checks: { iprev: false, spf: false, dkim: false, arc: false, dmarc: false },
  });
}

for (const [what, protocol, comments, expected] of [
  [
    'version, cipher and bits',
    'ESMTPS',
    [using, '(No client certificate requested)'],
    'x-tls=pass smtp.version=TLSv1.3 smtp.cipher=TLS_AES_256_GCM_SHA384 smtp.bits=256',
  ],
  ['that there was TLS where the field tells no more', 'ESMTPS', [], 'x-tls=pass'],
  [
    'the name in a client certificate that was verified',
    'ESMTPS',
    [using, '(Client CN "mail.example", Issuer "A CA" (verified OK))'],
    'x-tls=pass smtp.version=TLSv1.3 smtp.cipher=TLS_AES_256_GCM_SHA384 smtp.bits=256 smtp.client-cn=mail.example (issued by A CA)',
  ],
  [
    'no name in a client certificate that was not',
    'ESMTPS',
    [using, '(Client CN "bank.example", Issuer "bank.example" (not verified))'],
    'x-tls=pass (client certificate not verified) smtp.version=TLSv1.3 smtp.cipher=TLS_AES_256_GCM_SHA384 smtp.bits=256',
  ],
  ['nothing without TLS', 'ESMTP', [], 'none'],
] as const) {
  test(`it tells ${what}`, async () => {
    assert.equal(unfolded(await tlsOf(protocol, ...comments)), `mx.example.org; ${expected}`);
  });
}

test('TLS alone does not make a client less of a stranger', async () => {
  const outcome = await tlsOf('ESMTPS', using);
  assert.equal(outcome.clientClass, 'stranger');
  assert.deepEqual(values(outcome), ['x-tls=pass']);
});
