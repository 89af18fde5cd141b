// What `postern verify` says is what the proxy does: the same message through both.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runVerify } from '../../src/verify/command.ts';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { makeKey, sign } from '../support/signing.ts';

const key = makeKey('shop.example', 's1');
const zone = {
  ...key.zone,
  'bank.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
  '_dmarc.bank.example': { TXT: ['v=DMARC1; p=reject'] },
  '66.113.0.203.in-addr.arpa': { PTR: ['pool-66.isp.example'] },
  'pool-66.isp.example': { A: ['203.0.113.66'] },
};

test('the fields that verify names are those that arrive downstream, in the same order', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using proxy = await RunningProxy.start({
    zone,
    settings: { policy: { dmarc: 'reject' }, receivedSpf: true, header: { keepRemoved: true } },
    listener: { destinations: [downstream.destination], authservId: 'results.example' },
  });
  const forged = 'Authentication-Results: results.example; dmarc=pass header.from=bank.example\r\n';
  const text = 'From: service@bank.example\r\nSubject: Your account\r\n\r\nPay at once.\r\n';
  const message = Buffer.concat([Buffer.from(forged), await sign(text, key)]);

  using client = await RawClient.connect(proxy.address);
  await client.line();
  await client.ask('EHLO upstream.example');
  await client.ask('XFORWARD ADDR=203.0.113.66 HELO=mail.bank.example');
  await client.ask('MAIL FROM:<service@bank.example>');
  await client.ask('RCPT TO:<kim@example.net>');
  await client.ask('DATA');
  client.send(message);
  assert.match((await client.ask('.'))[0] ?? '', /^250 /);
  const arrived = downstream.messages[0]?.data.toString() ?? '';

  const file = join(proxy.directory, 'message.eml');
  await writeFile(file, message);
  const { report, verdict } = await runVerify(
    file,
    {
      config: join(proxy.directory, 'postern.yaml'),
      ip: '203.0.113.66',
      helo: 'mail.bank.example',
      from: 'service@bank.example',
      to: ['kim@example.net'],
      json: true,
    },
    (note) => assert.fail(note),
  );
  const said = JSON.parse(report) as {
    fields: string[];
    removed: { field: string; instead: string }[];
    disposition: { kind: string };
  };
  const fields = said.fields.join('');
  assert.equal(arrived.slice(0, fields.length), fields);
  assert.match(arrived.slice(fields.length), /^Received: from /);
  assert.match(fields, /^Authentication-Results: results\.example;.*^X-Disposition-Quarantine: /ms);
  assert.match(fields, /^Received-SPF: fail /m);
  assert.deepEqual(
    said.removed.map(({ field }) => field),
    [forged],
  );
  assert.ok(arrived.includes(said.removed[0]?.instead ?? 'nothing'));
  assert.ok(!arrived.includes(`\r\n${forged}`));
  assert.deepEqual([verdict, said.disposition.kind], ['fail', 'quarantine']);
});
