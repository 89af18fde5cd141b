// `postern dns`: what is asked, who answers, and what is said about it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DnsOptions } from '../../src/dns/resolver.ts';
import { parseZone, type Zone } from '../../src/dns/zone.ts';
import { lookUp, usualType } from '../../src/lookup/lookup.ts';
import { reportJson, reportText, verdictOf } from '../../src/lookup/report.ts';
import { readType } from '../../src/lookup/types.ts';
import { NameServer } from '../support/name-server.ts';

const zone = parseZone({
  'example.com': { TXT: ['v=spf1 -all'], MX: ['10 mx.example.com'] },
  'null.example': { MX: ['0 .'] },
  '10.2.0.192.in-addr.arpa': { PTR: ['client.example.com'] },
  'away.example': { CNAME: ['network.example'] },
  'broken.example': { TXT: 'SERVFAIL', A: 'TIMEOUT' },
}) as Zone;

const options: DnsOptions = {
  timeoutMs: 200,
  tries: 1,
  zone,
  zoneOnly: true,
  cache: { entries: 10, maxAgeMs: 1000, failureAgeMs: 1000 },
  transactionMs: 5000,
};

test('the zone answers, and the records are written as in a zone file', async () => {
  const text = await lookUp('Example.COM.', 'TXT', options);
  assert.deepEqual([text.records, text.from], [['"v=spf1 -all"'], 'zone']);
  assert.deepEqual((await lookUp('example.com', 'MX', options)).records, ['10 mx.example.com']);
  assert.deepEqual((await lookUp('null.example', 'MX', options)).records, ['0 .']);
  assert.match(
    reportText(text, true),
    /^TXT Example\.COM\. \(from the zone, [\d.]+ ms\)\n {2}"v=spf1 -all"\n$/,
  );
});

test('the name of an address is asked for as DNS has it', async () => {
  const v4 = await lookUp('192.0.2.10', 'PTR', options);
  assert.deepEqual([v4.name, v4.records], ['10.2.0.192.in-addr.arpa', ['client.example.com']]);
  assert.match(
    (await lookUp('2001:db8::1', 'PTR', options)).name,
    /^1\.0\..*\.8\.b\.d\.0\.1\.0\.0\.2\.ip6\.arpa$/,
  );
  assert.deepEqual(
    [usualType('192.0.2.10'), usualType('2001:db8::1'), usualType('example.com')],
    ['PTR', 'PTR', 'A'],
  );
});

test('what does not exist, and what nobody knows, are different verdicts', async () => {
  const found = async (name: string, type: 'A' | 'TXT') => {
    const finding = await lookUp(name, type, options);
    return [verdictOf(finding), finding.failure];
  };
  assert.deepEqual(await found('example.com', 'TXT'), ['found', undefined]);
  assert.deepEqual(await found('nobody.example', 'A'), ['none', 'ENOTFOUND']);
  assert.deepEqual(await found('example.com', 'A'), ['none', 'ENODATA']);
  assert.deepEqual(await found('broken.example', 'TXT'), ['failure', 'ESERVFAIL']);
  assert.deepEqual(await found('broken.example', 'A'), ['failure', 'ETIMEOUT']);
});

test('what the zone lacks is asked of the name servers, and of nobody with zoneOnly', async () => {
  await using server = await NameServer.start({
    'A network.example': { values: ['192.0.2.7'] },
    'TXT slow.example': 'silent',
  });
  const asking = { ...options, zoneOnly: false, servers: [server.address] };
  const alias = await lookUp('away.example', 'A', asking);
  assert.deepEqual([alias.records, alias.from], [['192.0.2.7'], 'network']);
  const slow = await lookUp('slow.example', 'TXT', asking);
  assert.deepEqual([slow.failure, slow.from], ['ETIMEOUT', 'network']);
  const questions = server.questions.length;
  const refused = await lookUp('network.example', 'A', { ...asking, zoneOnly: true });
  assert.deepEqual([refused.failure, server.questions.length], ['ENOTFOUND', questions]);
  assert.match(reportText(refused, true), /nobody else is asked/);
});

test('a transaction waits no longer for names, and neither does this', async () => {
  await using server = await NameServer.start({ 'A slow.example': 'silent' });
  const patient = {
    ...options,
    zoneOnly: false,
    servers: [server.address],
    timeoutMs: 60_000,
    transactionMs: 50,
  };
  assert.equal((await lookUp('slow.example', 'A', patient)).failure, 'ETIMEOUT');
});

test('what a name server says reaches neither terminal nor JSON as a control', async () => {
  const hostile = parseZone({ 'evil.example': { TXT: ['\x1b[2J\nA fake (from the zone)'] } }) as Zone;
  const finding = await lookUp('evil.example', 'TXT', { ...options, zone: hostile });
  assert.equal(reportText(finding, true).split('\n').length, 3);
  assert.ok(!reportText(finding, true).includes('\x1b'));
  const json = JSON.parse(reportJson(finding)) as Record<string, unknown>;
  assert.deepEqual([json.verdict, json.from, json.type], ['found', 'zone', 'TXT']);
});

test('types are those that the checks ask for, in any case', () => {
  assert.deepEqual([readType('txt'), readType('AAAA'), readType('ANY')], ['TXT', 'AAAA', undefined]);
});
