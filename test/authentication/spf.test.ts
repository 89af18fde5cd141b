// spf in each way it can end: results, identities, limits, explanations, records that nobody should publish.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resolve } from '../../src/authentication/check.ts';
import { spf } from '../../src/authentication/checks/spf.ts';
import { checkHost } from '../../src/authentication/client/check-host.ts';
import { propertyOf } from '../../src/authentication/result.ts';
import { judge, unfolded, values, zoneResolver } from './judge.ts';
import { only, wayOf } from './only.ts';

const spfCases: readonly (readonly [string, string, unknown, string])[] = [
  ['a listed client passes', 'v=spf1 ip4:192.0.2.0/24 -all', {}, 'pass'],
  ['another client fails', 'v=spf1 ip4:198.51.100.0/24 -all', {}, 'fail'],
  ['another client of a hesitant domain is a softfail', 'v=spf1 ~all', {}, 'softfail'],
  ['a domain that says nothing is neutral', 'v=spf1 ?all', {}, 'neutral'],
  ['an MX of the domain passes', 'v=spf1 mx -all', { 'mx.example': { A: ['192.0.2.10'] } }, 'pass'],
  ['a syntax error is permanent', 'v=spf1 ip4:nonsense -all', {}, 'permerror'],
  ['eleven lookups are too many', `v=spf1 ${'exists:mx.example '.repeat(11)}-all`, {}, 'permerror'],
  [
    'an include that cannot be looked up is temporary',
    'v=spf1 include:x.example',
    { 'x.example': { TXT: 'SERVFAIL' } },
    'temperror',
  ],
];
for (const [what, record, zone, expected] of spfCases) {
  test(`spf: ${what}`, async () => {
    const domain = { TXT: [record], MX: ['10 mx.example'] };
    const outcome = await judge({
      zone: { 'example.com': domain, ...(zone as object) },
      checks: only('spf'),
    });
    assert.deepEqual(values(outcome), [`spf=${expected}`]);
    assert.equal(outcome.results[0] && propertyOf(outcome.results[0], 'smtp', 'mailfrom'), 'example.com');
  });
}

test('spf: a domain without a record is none, one in trouble temperror', async () => {
  assert.deepEqual(values(await judge({ zone: {}, checks: only('spf') })), ['spf=none']);
  const zone = { 'example.com': { TXT: 'TIMEOUT' } };
  assert.deepEqual(values(await judge({ zone, checks: only('spf') })), ['spf=temperror']);
});

test('spf: with a null reverse-path the HELO identity is checked', async () => {
  const zone = { 'client.example.com': { TXT: ['v=spf1 ip4:192.0.2.10 -all'] } };
  const outcome = await judge({ zone, from: '', checks: only('spf') });
  assert.match(unfolded(outcome), /^mx\.example\.org; spf=pass \(.*\) smtp\.helo=client\.example\.com$/);
});

test('spf: a null reverse-path and an unknown HELO leave nothing to check', async () => {
  const outcome = await judge({ from: '', client: { ip: '192.0.2.10' }, checks: only('spf') });
  assert.deepEqual(values(outcome), ['spf=none']);
});

test('spf: an explanation of the domain is never used', async () => {
  const zone = {
    'example.com': { TXT: ['v=spf1 -all exp=why.example.com'] },
    'why.example.com': { TXT: ['call +1 555 0100 to pay'] },
  };
  const outcome = await judge({ zone, checks: only('spf'), options: { receivedSpf: true } });
  assert.deepEqual(values(outcome), ['spf=fail']);
  assert.equal(outcome.fields.length, 2);
  assert.doesNotMatch(outcome.fields.join(''), /555/);
});

const both = {
  'example.com': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
  'client.example.com': { TXT: ['v=spf1 -all'] },
};

test('spf: with helo: always the HELO identity is a second result', async () => {
  const outcome = await judge({ zone: both, checks: only('spf', { helo: 'always' }) });
  const [, mailFrom = '', helo = ''] = unfolded(outcome).split('; ');
  assert.match(mailFrom, /^spf=pass \(.*\) smtp\.mailfrom=example\.com$/);
  assert.match(helo, /^spf=fail \(.*\) smtp\.helo=client\.example\.com$/);
});

test('spf: without it a client is not judged by its HELO, and a null sender gives one result in any case', async () => {
  assert.deepEqual(values(await judge({ zone: both, checks: only('spf') })), ['spf=pass']);
  for (const helo of ['null-sender', 'always']) {
    const outcome = await judge({ zone: both, from: '', checks: only('spf', { helo }) });
    assert.match(unfolded(outcome), /^mx\.example\.org; spf=fail \([^;]*\) smtp\.helo=client\.example\.com$/);
  }
});

test('spf: with helo: always an unknown HELO is no result', async () => {
  const outcome = await judge({
    zone: both,
    client: { ip: '192.0.2.10' },
    checks: only('spf', { helo: 'always' }),
  });
  assert.deepEqual(values(outcome), ['spf=pass']);
});

test('spf: an address or a single label in HELO is nothing to ask about', async () => {
  for (const helo of ['[192.0.2.10]', 'localhost', '192.0.2.10', 'a..b', '']) {
    const outcome = await judge({
      from: '',
      client: { ip: '192.0.2.10', helo },
      checks: only('spf'),
      options: { explain: true },
    });
    assert.deepEqual(values(outcome), ['spf=none'], helo);
  }
});

test('spf: what follows an @ in HELO is not the domain', async () => {
  for (const helo of ['x@example.com', '@example.com', 'example.com@']) {
    const client = { ip: '192.0.2.10', helo };
    const outcome = await judge({ zone: both, from: '', client, checks: only('spf') });
    assert.match(unfolded(outcome), /; spf=none \(the name in HELO is no domain\) smtp\.helo=\S+$/);
  }
});

test('spf: own clients and unknown ones are not looked at', async () => {
  for (const client of [{ ip: '10.0.0.1' }, { ip: '203.0.113.5' }, {}]) {
    assert.deepEqual(values(await judge({ client, zone: both, checks: only('spf') })), []);
  }
});

const explained = {
  'example.com': { TXT: ['v=spf1 -all exp=why.example.com'] },
  'why.example.com': { TXT: ['%{i} is not "ours" (call +1 555 0100)'] },
};

test('spf: an explanation that is allowed to be shown is the reason, and says whose words it is', async () => {
  const outcome = await judge({ zone: explained, checks: only('spf', { explanation: true }) });
  assert.match(
    unfolded(outcome),
    /^mx\.example\.org; spf=fail \(.*\) reason="example\.com explains: 192\.0\.2\.10 is not \\"ours\\" \(call \+1 555 0100\)" smtp\.mailfrom=example\.com$/,
  );
});

test('spf: later checks find the explanation in a note, where it is allowed', async () => {
  for (const explanation of [false, true]) {
    const notes = new Map<string, unknown>();
    const context = {
      client: { ip: '192.0.2.10' },
      reversePath: 'alice@example.com',
      hostname: 'mx.example.org',
      listener: 'test',
      resolve: zoneResolver(explained).resolve as Resolve,
      signal: new AbortController().signal,
      notes,
      now: () => new Date(),
      explained: false,
      explain: () => {},
    };
    await spf.mail?.(context, { helo: 'null-sender', explanation });
    const said = 'example.com explains: 192.0.2.10 is not "ours" (call +1 555 0100)';
    assert.equal(notes.get('spf.explanation'), explanation ? said : undefined);
  }
});

test('spf: after 20 seconds it is a temporary error, whatever is still asked', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const asked = Promise.withResolvers<void>();
  const answer = checkHost({
    ip: '192.0.2.10',
    helo: undefined,
    sender: 'alice@example.com',
    hostname: 'mx.example.org',
    explained: false,
    resolve: () => {
      asked.resolve();
      return new Promise(() => {});
    },
  });
  await asked.promise;
  t.mock.timers.tick(20_000);
  const { value, comment } = await answer;
  assert.equal(value, 'temperror');
  assert.match(comment ?? '', /time limit/);
});

test('spf: the wall clock may be set while names are asked for', async (t) => {
  const hourMs = 3_600_000;
  t.mock.timers.enable({ apis: ['Date'] });
  const { value } = await checkHost({
    ip: '192.0.2.10',
    helo: undefined,
    sender: 'alice@example.com',
    hostname: 'mx.example.org',
    explained: false,
    resolve: async (name) => {
      t.mock.timers.setTime(Date.now() + hourMs);
      return [[name === 'example.com' ? 'v=spf1 include:example.net -all' : 'v=spf1 ip4:192.0.2.0/24 -all']];
    },
  });
  assert.equal(value, 'pass');
});

test('spf: a sender whose domain is none has nothing to ask about', async () => {
  for (const from of ['postmaster', 'a@', 'a@localhost', 'a@[192.0.2.10]', 'a@b..example', 'a@192.0.2.10']) {
    const outcome = await judge({ from, checks: only('spf'), options: { explain: true } });
    assert.deepEqual(values(outcome), ['spf=none'], from);
    assert.deepEqual(wayOf(outcome, 'spf').questions, [], from);
  }
});

test('spf: the domain is what follows the last @', async () => {
  const outcome = await judge({ zone: both, from: '"a@evil.example"@example.com', checks: only('spf') });
  assert.match(unfolded(outcome), /^mx\.example\.org; spf=pass .* smtp\.mailfrom=example\.com$/);
});

test('spf: a domain may end with a dot, as its name in the DNS does', async () => {
  const zone = {
    'a.example': { TXT: ['v=spf1 exists:%{d}.by.%{h}.example -all'] },
    'a.example.by.a.example.example': { A: ['127.0.0.2'] },
  };
  const found = async (from: string, helo: string) =>
    values(await judge({ zone, from, client: { ip: '192.0.2.10', helo }, checks: only('spf') })).join();
  assert.equal(await found('x@a.example.', 'a.example.'), 'spf=pass');
  assert.equal(await found('', 'a.example.'), 'spf=pass');
  for (const domain of ['a.example..', '.']) {
    assert.equal(await found(`x@${domain}`, 'a.example'), 'spf=none');
    assert.equal(await found('', domain), 'spf=none');
  }
});

const silent: readonly (readonly [string, unknown])[] = [
  ['two records', { TXT: ['one', 'two'] }],
  ['no name', undefined],
  ['a name server in trouble', { TXT: 'SERVFAIL' }],
  ['another alphabet', { TXT: ['nicht für Sie'] }],
  ['a control character', { TXT: ['line\r\nSubject: x'] }],
  ['an unknown macro', { TXT: ['%{x}'] }],
  ['70 kB', { TXT: ['x'.repeat(70_000)] }],
  ['a macro bomb', { TXT: ['%{s}'.repeat(20_000)] }],
];
for (const [what, why] of silent) {
  test(`spf: an explanation with ${what} is none`, async () => {
    const zone = { 'example.com': explained['example.com'], ...(why ? { 'why.example.com': why } : {}) };
    const [result] = (await judge({ zone, checks: only('spf', { explanation: true }) })).results;
    assert.equal(result?.value, 'fail');
    assert.equal(result?.reason, undefined);
  });
}

test('spf: the mechanism of an IPv6 client has the name that was asked for its family', async () => {
  const zone = {
    'example.com': { TXT: ['v=spf1 -exists:no.example a:yes.example -all'] },
    'yes.example': { AAAA: ['2001:db8::1'] },
  };
  const client = { ip: '2001:db8::1' };
  const outcome = await judge({ zone, client, checks: only('spf'), options: { explain: true } });
  assert.equal(wayOf(outcome, 'spf').facts['mechanism that matched'], 'a:yes.example');
});

const mechanisms: readonly (readonly [string, string, unknown])[] = [
  ['v=spf1 ip4:198.51.100.1 ip4:192.0.2.0/24 -all', 'ip4:192.0.2.0/24', {}],
  ['v=spf1 ip4:198.51.100.1 -all', '-all', {}],
  ['v=spf1 ?all', '?all', {}],
  ['v=spf1 ~all', '~all', {}],
  ['v=spf1 ip4:198.51.100.1', 'default', {}],
  [
    'v=spf1 a:no.example a:%{d}.a.example -all',
    'a:example.com.a.example',
    { 'example.com.a.example': { A: ['192.0.2.10'] } },
  ],
  [
    'v=spf1 mx:m.example -all',
    'mx:m.example (h.example)',
    { 'm.example': { MX: ['10 h.example'] }, 'h.example': { A: ['192.0.2.10'] } },
  ],
  [
    'v=spf1 -exists:%{l}.%{d} +all',
    '-exists:Alice.example.com',
    { 'alice.example.com': { A: ['127.0.0.2'] } },
  ],
  [
    'v=spf1 ptr -all',
    'ptr:c.example.com',
    {
      '10.2.0.192.in-addr.arpa': { PTR: ['other.example', 'c.example.com'] },
      'c.example.com': { A: ['192.0.2.10'] },
    },
  ],
  [
    'v=spf1 include:no.example include:one.example -all',
    'include:one.example -> include:two.example -> ip4:192.0.2.10',
    {
      'no.example': { TXT: ['v=spf1 -all'] },
      'one.example': { TXT: ['v=spf1 include:two.example ~all'] },
      'two.example': { TXT: ['v=spf1 ip4:192.0.2.10'] },
    },
  ],
  ['v=spf1 redirect=other.example', '-all', { 'other.example': { TXT: ['v=spf1 mx -all'] } }],
];
for (const [record, mechanism, zone] of mechanisms) {
  test(`spf: the explanation of "${record}" says that ${mechanism} matched`, async () => {
    const outcome = await judge({
      zone: { 'example.com': { TXT: ['some-verification=1', record] }, ...(zone as object) },
      from: 'Alice@Example.COM',
      checks: only('spf'),
      options: { explain: true },
    });
    const { facts } = wayOf(outcome, 'spf');
    assert.equal(facts.record, record);
    assert.equal(facts['mechanism that matched'], mechanism);
    assert.equal(facts.identity, 'smtp.mailfrom');
  });
}

test('spf: the explanation counts lookups, and an error has no mechanism', async () => {
  const record = 'v=spf1 a:1.example a:2.example a:3.example -all';
  const zone = { 'example.com': { TXT: [record] } };
  const outcome = await judge({ zone, checks: only('spf'), options: { explain: true } });
  assert.deepEqual(values(outcome), ['spf=permerror']);
  const { facts } = wayOf(outcome, 'spf');
  assert.deepEqual(facts.lookups, { limit: 10, count: 3, void: 3, subqueries: {} });
  assert.ok(!('mechanism that matched' in facts));
});

test('spf: a domain in another alphabet is asked for by its A-label, and its mechanism found', async () => {
  const zone = {
    'xn--bcher-kva.example': { TXT: ['v=spf1 exists:%{o}.x.example -all'] },
    'xn--bcher-kva.example.x.example': { A: ['127.0.0.2'] },
  };
  const outcome = await judge({
    zone,
    from: 'a@bücher.example',
    checks: only('spf'),
    options: { explain: true },
  });
  assert.match(unfolded(outcome), / smtp\.mailfrom=xn--bcher-kva\.example$/);
  assert.equal(
    wayOf(outcome, 'spf').facts['mechanism that matched'],
    'exists:xn--bcher-kva.example.x.example',
  );
});

const noHosts = ['news_1.bank.example', 'a.b_c.example', '-x-.y.example', '_spf.example', 'xq_5f.example'];
for (const domain of noHosts) {
  test(`spf: ${domain} is no name of a host, but one in the DNS, and has its record`, async () => {
    const asked = `${domain}.by.alice.at.${domain}.at.example`;
    const zone = {
      [domain]: { TXT: [`v=spf1 exists:%{d}.by.%{l}.at.%{o}.at.example -all exp=why.%{d}`] },
      [asked]: { A: ['127.0.0.2'] },
      [`why.${domain}`]: { TXT: ['%{s} may not'] },
    };
    const from = `alice@${domain}`;
    const passed = await judge({ zone, from, checks: only('spf'), options: { explain: true } });
    assert.match(unfolded(passed), new RegExp(`spf=pass .*domain of ${from} .*smtp\\.mailfrom=.*${domain}`));
    assert.equal(wayOf(passed, 'spf').facts['mechanism that matched'], `exists:${asked}`);
    const checks = { ...only('spf'), spf: { explanation: true } };
    const refused = await judge({ zone: { ...zone, [asked]: {} }, from, checks });
    assert.match(unfolded(refused), new RegExp(`spf=fail .*${domain} explains: ${from} may not`));
    const introduced = await judge({
      zone,
      from: '',
      client: { ip: '192.0.2.10', helo: domain },
      checks: only('spf'),
    });
    assert.match(unfolded(introduced), new RegExp(`spf=fail .*smtp\\.helo=.*${domain}`));
  });
}

test('spf: what is no domain at all is none, without a question', async () => {
  for (const domain of ['_', 'a_b', '_.', '_..example', `${'_'.repeat(64)}.example`, '_.123']) {
    const outcome = await judge({ zone: {}, from: `a@${domain}`, checks: only('spf') });
    assert.deepEqual(values(outcome), ['spf=none'], domain);
  }
});
