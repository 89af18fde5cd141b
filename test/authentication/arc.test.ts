// arc: chains that hold and chains that don't, since whom a message is as it is, and whose word counts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ARCData, DNSResolver } from 'mailauth';
import { arc } from 'mailauth/lib/arc/index.js';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { type TrustedArc, trustedArc } from '../../src/authentication/arc/trusted.ts';
import type { Outcome } from '../../src/authentication/authentication.ts';
import type { ConfiguredCheck } from '../../src/authentication/checks.ts';
import { propertyOf } from '../../src/authentication/result.ts';
import { makeKey, seal, sign } from '../support/signing.ts';
import { type Case, judge, plain, unfolded, values, zoneResolver } from './judge.ts';
import { wayOf } from './only.ts';

const only = (arc: Record<string, unknown> = {}) => ({
  iprev: false,
  spf: false,
  dkim: false,
  dmarc: false,
  auth: false,
  'x-tls': false,
  arc,
});

const author = makeKey('example.com', 's1', 'ed25519');
const list = makeKey('list.example', 'arc');
const forwarder = makeKey('forwarder.example', 'arc', 'ed25519');
const gateway = makeKey('gw.forwarder.example', 'arc', 'ed25519');
const zone = { ...author.zone, ...list.zone, ...forwarder.zone, ...gateway.zone };
const signed = await sign(plain, author);
const sealed = await seal(
  signed,
  list,
  'list.example; spf=pass smtp.mailfrom=example.com; dkim=pass header.d=example.com',
);

/** As a list may change a message before it sends it on. */
function changed(message: Buffer, from = 'A body.', to = 'Another.'): Buffer {
  return Buffer.from(message.toString('latin1').replace(from, to), 'latin1');
}

test('a chain that holds names its sealers, newest first', async () => {
  const message = await seal(sealed, forwarder, 'forwarder.example; arc=pass', 'pass');
  const outcome = await judge({ zone, message, checks: only() });
  assert.equal(
    unfolded(outcome),
    'mx.example.org; arc=pass (i=2 sealed by forwarder.example, list.example) header.d=forwarder.example header.oldest-pass=0 smtp.remote-ip=192.0.2.10',
  );
});

test('the address of an unknown client is left out', async () => {
  const outcome = await judge({ zone, message: sealed, client: {}, checks: only() });
  assert.match(unfolded(outcome), / header\.oldest-pass=0$/);
});

test('a message changed after the seal fails, and says whose seal it was', async () => {
  const outcome = await judge({ zone, message: changed(sealed), checks: only() });
  const [result] = outcome.results;
  assert.equal(result?.value, 'fail');
  assert.match(result?.reason ?? '', /no valid signature/);
  assert.equal(propertyOf(result, 'header', 'd'), 'list.example');
  assert.equal(propertyOf(result, 'header', 'oldest-pass'), undefined);
});

test('every failure is permanent, that of DNS too (RFC 8617 §5.2.1)', async () => {
  const silent = { [list.recordName]: { TXT: 'TIMEOUT' } };
  const outcome = await judge({ zone: silent, message: sealed, checks: only() });
  assert.deepEqual(values(outcome), ['arc=fail']);
  assert.equal(outcome.results[0]?.reason, 'DNS did not give a key');
});

test('a message without a chain is none', async () => {
  assert.equal(unfolded(await judge({ checks: only() })), 'mx.example.org; arc=none');
  assert.equal(
    unfolded(await judge({ message: '\r\nno header', checks: only() })),
    'mx.example.org; arc=none',
  );
});

/** Changes that break a chain of two sets. */
const broken: readonly (readonly [string, (message: string) => string, RegExp])[] = [
  [
    'a set without its seal',
    (text) => text.replace(/^ARC-Seal: i=1;(?:.|\r\n )*\r\n/m, ''),
    /no arc-seal set/,
  ],
  [
    'a set that is there twice',
    (text) => text.replace(/^ARC-Seal: i=1;(?:.|\r\n )*\r\n/m, '$&$&'),
    /multiple arc-seal/,
  ],
  ['a number left out', (text) => text.replaceAll(/^(ARC-[A-Za-z-]+: i=)2;/gm, '$13;'), /i=3 expected=2/],
  ['a number of three digits', (text) => text.replaceAll(/^(ARC-[A-Za-z-]+: i=)2;/gm, '$1200;'), /instance/],
  ['number 51', (text) => text.replaceAll(/^(ARC-[A-Za-z-]+: i=)2;/gm, '$151;'), /instance/],
  ['a first seal with cv=pass', (text) => text.replace('cv=none', 'cv=pass'), /i=1 cv=/],
  ['a second seal with cv=none', (text) => text.replace('cv=pass', 'cv=none'), /i=2 cv=none/],
  [
    'results that were changed',
    (text) => text.replace('arc=pass', 'arc=fail'),
    /seal signature validation failed/,
  ],
  [
    'results of the first set that were changed',
    (text) => text.replace('spf=pass', 'spf=fail'),
    /seal signature/,
  ],
  ['a seal with h=', (text) => text.replace('ARC-Seal: ', 'ARC-Seal: h=from; '), /unexpected as h|seal/],
  [
    'a seal that is no list of tags',
    (text) => text.replace(/^ARC-Seal: i=2;/m, 'ARC-Seal: i=2; nonsense;'),
    /tag/,
  ],
];

for (const [what, change, reason] of broken) {
  test(`${what} fails`, async () => {
    const whole = await seal(sealed, forwarder, 'forwarder.example; arc=pass', 'pass');
    const message = change(whole.toString('latin1'));
    assert.notEqual(message, whole.toString('latin1'));
    const [result] = (await judge({ zone, message: Buffer.from(message, 'latin1'), checks: only() })).results;
    assert.equal(result?.value, 'fail');
    assert.match(result?.reason ?? '', reason);
  });
}

for (const [what, record, reason] of [
  ['no key', undefined, /no key/],
  ['a key that was revoked', 'v=DKIM1; k=rsa; p=', /./],
  ['another key', makeKey('x.example', 's').record, /./],
  ['a key that is too short', makeKey('x.example', 's', 'rsa', 768).record, /weak key/],
  ['a key of another kind', forwarder.record, /./],
] as const) {
  test(`${what} fails`, async () => {
    const answers = record === undefined ? {} : { [list.recordName]: { TXT: [record] } };
    const [result] = (await judge({ zone: answers, message: sealed, checks: only() })).results;
    assert.equal(result?.value, 'fail');
    assert.match(result?.reason ?? '', reason);
  });
}

/** The property of a message that passes. */
async function oldestPass(message: Buffer): Promise<string | undefined> {
  const [result] = (await judge({ zone, message, checks: only() })).results;
  assert.equal(result?.value, 'pass', result?.reason);
  return propertyOf(result, 'header', 'oldest-pass');
}

test('a chain of which octets were changed comes to what mailauth says of it', async () => {
  const whole = (await seal(sealed, forwarder, 'forwarder.example; arc=pass', 'pass')).toString('latin1');
  const { resolve } = zoneResolver(zone);
  const options = { resolver: resolve as DNSResolver, minBitLength: 1024, strict: true };
  const place = fc.nat(whole.indexOf('DKIM-Signature:') - 1);
  const strange = fc.constantFrom(
    ' ',
    '\t ',
    '\r\n ',
    '\r',
    ';',
    '; b=',
    '; B=AA',
    '"',
    '(',
    '\xa0',
    '\x0b',
    'A',
    '=',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(place, strange), { maxLength: 3 }), async (changes) => {
      const text = changes.reduce((all, [at, what]) => all.slice(0, at) + what + all.slice(at), whole);
      const message = Buffer.from(text, 'latin1');
      const { arc: data } = await dkimVerify(message, options);
      const { status } = await arc(data as ARCData, options);
      const [result] = (await judge({ zone, message, checks: only() })).results;
      assert.equal(result?.value, status.result);
      if (status.result === 'fail' && status.comment) assert.equal(result?.reason, status.comment);
    }),
    { numRuns: 100 },
  );
});

test('oldest-pass is the set since which nothing was changed', async () => {
  const second = await seal(changed(sealed), forwarder, 'forwarder.example; arc=pass', 'pass');
  assert.equal(await oldestPass(second), '2');
  const third = await seal(second, gateway, 'gw.forwarder.example; arc=pass', 'pass');
  assert.equal(await oldestPass(third), '2');
  const fourth = await seal(
    changed(third, 'Subject: hello', 'Subject: [list] hello'),
    list,
    'list.example; arc=pass',
    'pass',
  );
  assert.equal(await oldestPass(fourth), '4');
});

test('under a large header section, oldest-pass goes down as far as the work is worth', async () => {
  let message = Buffer.from(`Subject: ${'long '.repeat(40_000)}\r\n${plain}`);
  for (let i = 1; i <= 5; i++) {
    message = Buffer.from(
      await seal(message, forwarder, 'forwarder.example; none', i === 1 ? 'none' : 'pass'),
    );
  }
  assert.equal(await oldestPass(message), '3');
});

test('a chain of fifty is judged, ten of its sealers are named and asked for, and no later seal is possible', async () => {
  let message = signed;
  for (let i = 1; i <= 50; i++) {
    message = await seal(message, forwarder, 'forwarder.example; arc=pass', i === 1 ? 'none' : 'pass');
  }
  const { domain, selector, privateKey } = forwarder;
  const outcome = await judge({
    zone,
    message,
    checks: only(),
    options: { seal: { domain, selector, privateKey } },
  });
  assert.match(
    unfolded(outcome),
    /arc=pass \(i=50 sealed by (?:forwarder\.example, ){9}forwarder\.example and 40 more\) .* header\.oldest-pass=40/,
  );
  assert.equal(outcome.fields.length, 1);
});

test('where the newest seal does not hold, no older sealer is asked for', async () => {
  const relays = ['a.example', 'b.example', 'c.example'].map((domain) => ({ ...forwarder, domain }));
  let message = sealed;
  for (const relay of relays) message = await seal(message, relay, `${relay.domain}; arc=pass`, 'pass');
  const forged = changed(message, 'c.example; arc=pass', 'c.example; arc=fail');
  const zoneOfRelays = Object.fromEntries(
    relays.map(({ domain }) => [`arc._domainkey.${domain}`, { TXT: [forwarder.record] }]),
  );
  const asked = async (text: Buffer) => {
    const judged = { zone: { ...zone, ...zoneOfRelays }, message: text, checks: only() };
    return wayOf(await judge({ ...judged, options: { explain: true } }), 'arc').questions;
  };
  assert.equal((await asked(message)).length, 4);
  assert.deepEqual(await asked(forged), ['TXT arc._domainkey.c.example']);
});

/** What the check leaves for DMARC. */
async function trustIn(
  message: Buffer,
  trustedSealers: readonly string[],
  more: Case = {},
): Promise<TrustedArc | undefined> {
  let found: TrustedArc | undefined;
  const listener: ConfiguredCheck = {
    name: 'x-listener',
    skippedFor: [],
    stages: {
      endOfMessage: ({ notes }) => {
        found = trustedArc.read(notes);
        return undefined;
      },
    },
  };
  await judge({
    zone,
    message,
    checks: only({ trustedSealers }),
    options: { customChecks: [listener] },
    ...more,
  });
  return found;
}

/** Sealed by a list that changed the message, and by a forwarder; `results` is what the list had found. */
async function relayed(results: string, message = signed): Promise<Buffer> {
  const atList = await seal(message, list, `list.example; ${results}`);
  return seal(
    changed(atList),
    forwarder,
    'forwarder.example; arc=pass; dmarc=fail header.from=example.com',
    'pass',
  );
}

const authorPassed = 'dmarc=pass (p=reject) header.from=example.com';

test('a trusted sealer vouches for what it found', async () => {
  assert.deepEqual(
    await trustIn(await seal(signed, list, `list.example; ${authorPassed}`), ['list.example']),
    {
      sealer: 'list.example',
      instance: 1,
      dmarc: true,
    },
  );
});

test('one that saw DMARC fail is trusted too, and does not vouch', async () => {
  const message = await seal(
    signed,
    list,
    'list.example; dmarc=fail header.from=example.com; dkim=pass header.d=example.com',
  );
  assert.deepEqual(await trustIn(message, ['list.example']), {
    sealer: 'list.example',
    instance: 1,
    dmarc: false,
  });
});

test('one that says of DMARC two things vouches for nothing', async () => {
  const failed = 'dmarc=fail header.from=example.com';
  for (const results of [
    `${failed}; ${authorPassed}`,
    `${authorPassed}; ${failed}`,
    `${failed};\r\n (again;) DMARC=pass header.from=example.com`,
  ]) {
    const message = await seal(signed, list, `list.example; ${results}`);
    assert.equal((await trustIn(message, ['list.example']))?.dmarc, false, results);
  }
  const results = `spf=fail (dmarc; dmarc=none) reason="; dmarc=fail"; ${authorPassed}; dmarc-x=fail`;
  const message = await seal(signed, list, `list.example; ${results}`);
  assert.equal((await trustIn(message, ['list.example']))?.dmarc, true);
});

test('nobody vouches without being trusted', async () => {
  const message = await seal(signed, list, `list.example; ${authorPassed}`);
  assert.equal(await trustIn(message, []), undefined);
  assert.equal(
    await trustIn(message, ['other.example', '.x.list.example', 'xlist.example', '.ist.example']),
    undefined,
  );
});

test('an older sealer vouches only if all after it are trusted', async () => {
  const message = await relayed(authorPassed);
  assert.deepEqual(await trustIn(message, ['list.example', 'forwarder.example']), {
    sealer: 'list.example',
    instance: 1,
    dmarc: true,
  });
  assert.equal(await trustIn(message, ['list.example']), undefined);
  assert.equal((await trustIn(message, ['forwarder.example']))?.dmarc, false);
});

test('a chain that fails makes nobody trusted', async () => {
  const message = changed(await seal(signed, list, `list.example; ${authorPassed}`));
  assert.equal(await trustIn(message, ['list.example']), undefined);
});

test('a dot in front trusts the domain and all below it, as in the policy', async () => {
  const below = await seal(signed, gateway, `gw.forwarder.example; ${authorPassed}`);
  assert.equal((await trustIn(below, ['.Forwarder.example']))?.dmarc, true);
  assert.equal(await trustIn(below, ['forwarder.example']), undefined);
  const itself = await seal(signed, forwarder, `forwarder.example; ${authorPassed}`);
  assert.equal((await trustIn(itself, ['.forwarder.example']))?.dmarc, true);
});

for (const [what, results, vouches] of [
  ['DMARC that passed for another author', 'dmarc=pass header.from=other.example', false],
  ['DMARC that passed for nobody knows whom', 'dmarc=pass', false],
  ['DMARC in capitals', 'DMARC=Pass header.from=EXAMPLE.com', true],
  ['words in a comment', 'dmarc=fail (dmarc=pass header.from=example.com) header.from=example.com', false],
  [
    'words in a reason',
    'dmarc=fail reason="x; dmarc=pass header.from=example.com" header.from=example.com',
    false,
  ],
  [
    'a signature of the author’s domain, without a word on DMARC',
    'dkim=fail header.d=a.example; dkim=pass header.d=example.com',
    true,
  ],
  ['an identity of the author’s domain', 'dkim=pass header.i=@example.com header.s=s1', true],
  ['a signature of a domain below', 'dkim=pass header.d=mail.example.com', false],
  ['a signature that failed', 'dkim=fail header.d=example.com', false],
  ['SPF of the author’s domain', 'spf=pass smtp.mailfrom=bounce@example.com', true],
  ['SPF that failed', 'spf=softfail smtp.mailfrom=example.com', false],
  ['nothing', 'none', false],
] as const) {
  test(`${what}: ${vouches ? 'vouches' : 'does not vouch'}`, async () => {
    const message = await seal(signed, list, `list.example; ${results}`);
    assert.equal((await trustIn(message, ['list.example']))?.dmarc, vouches);
  });
}

test('a domain in other clothes is another domain', async () => {
  const dressed = await sign(plain.replace('alice@example.com', 'alice@ex%61mple.com'), author);
  const message = await seal(dressed, list, `list.example; ${authorPassed}`);
  assert.equal((await trustIn(message, ['list.example']))?.dmarc, false);
});

test('nobody vouches for a message of several authors', async () => {
  const two = await sign(plain.replace('From: Alice', 'From: Eve <eve@evil.example>, Alice'), author);
  const message = await seal(two, list, `list.example; ${authorPassed}`);
  assert.equal((await trustIn(message, ['list.example']))?.dmarc, false);
});

test('the story tells each seal, the newest signature with its key record, and who is trusted', async () => {
  const message = await relayed(authorPassed);
  const outcome: Outcome = await judge({
    zone,
    message,
    checks: only({ trustedSealers: ['list.example', 'forwarder.example'] }),
    options: { explain: true },
  });
  const story = outcome.explanation?.find(({ check }) => check === 'arc');
  const facts = Object.fromEntries((story?.facts ?? []).map(({ fact, value }) => [fact, value]));
  const [first, second] = facts.chain as Record<string, Record<string, unknown>>[];
  assert.equal(first?.instance, 1);
  const { time, ...sealer } = second?.seal ?? {};
  assert.deepEqual(sealer, {
    domain: 'forwarder.example',
    selector: 'arc',
    algorithm: 'ed25519-sha256',
    cv: 'pass',
  });
  assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
  const newest = facts['newest ARC-Message-Signature'] as Record<string, unknown>;
  assert.equal(newest.result, 'pass');
  const { expected, computed } = newest.bodyHash as Record<string, unknown>;
  assert.match(String(expected), /^[A-Za-z0-9+/]{43}=$/);
  assert.equal(computed, expected);
  assert.equal(String(newest.record).replaceAll(' ', ''), forwarder.record.replaceAll(' ', ''));
  assert.deepEqual(facts['trusted sealer'], { sealer: 'list.example', instance: 1, dmarc: true });
  assert.ok(story?.questions.some(({ name }) => name === list.recordName));
});
