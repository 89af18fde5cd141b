// auth: a client that logged in at the upstream, and what is not asked about it then.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Case, judge, plain, unfolded, values } from './judge.ts';

const submitted = [
  'Received: from laptop.example (host.example [192.0.2.10])',
  '\t(Authenticated sender: alice@example.com)',
  '\tby mx.example.com (Postfix) with ESMTPSA id 4bXQ0z1Kd9z9',
  '\tfor <bob@example.net>; Tue,  3 Jun 2025 10:00:00 +0000 (UTC)',
  '',
].join('\r\n');

/** A stranger by all that DNS says. */
const given: Case = {
  client: { ip: '192.0.2.10', helo: 'laptop.example' },
  upstream: { helo: 'mx.example.com', queueId: '4bXQ0z1Kd9z9' },
  message: submitted + plain,
  zone: {
    'example.com': { TXT: ['v=spf1 -all'] },
    '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject'] },
  },
};

test('a client that logged in passes, and spf, dmarc and iprev say nothing about it', async () => {
  const outcome = await judge(given);
  assert.deepEqual(values(outcome), ['auth=pass', 'x-tls=pass', 'dkim=none', 'arc=none']);
  assert.match(unfolded(outcome), /^mx\.example\.org; auth=pass smtp\.auth=alice@example\.com; x-tls=pass;/);
  assert.equal(outcome.clientClass, 'authenticated');
  assert.equal(outcome.dmarc, undefined);
});

test('a client that did not log in has no result, and is judged', async () => {
  const message = submitted.replace('ESMTPSA', 'ESMTPS').replace(/^\t\(Auth.*\r\n/m, '') + plain;
  const outcome = await judge({ ...given, message, checks: { 'x-tls': false } });
  assert.deepEqual(values(outcome), ['iprev=permerror', 'spf=fail', 'dkim=none', 'arc=none', 'dmarc=fail']);
  assert.equal(outcome.clientClass, 'stranger');
});

for (const [what, change] of [
  ['an upstream that is not believed', { upstream: {} }],
  ['another queue id', { upstream: { helo: 'mx.example.com', queueId: 'other' } }],
  ['another client', { client: { ip: '198.51.100.1', helo: 'laptop.example' } }],
] as const) {
  test(`the field of ${what} does not log anybody in`, async () => {
    const outcome = await judge({ ...given, ...change });
    assert.equal(outcome.clientClass, 'stranger');
    assert.ok(values(outcome).includes('dmarc=fail'));
    assert.ok(!values(outcome).includes('auth=pass'));
  });
}

test('without the check, nobody has logged in', async () => {
  const outcome = await judge({ ...given, checks: { auth: false } });
  assert.equal(outcome.clientClass, 'stranger');
  assert.ok(values(outcome).includes('spf=fail'));
});

test('a login name can neither end its value nor begin another result', async () => {
  const name = 'a"; dmarc=pass header.from=bank.example (x)';
  const message = submitted.replace('alice@example.com', name) + plain;
  assert.match(
    unfolded(await judge({ ...given, message })),
    /; auth=pass smtp\.auth="a\\"; dmarc=pass header\.from=bank\.example \(x\)"; x-tls/,
  );
});

test('the upstream’s Received is compared with the client as the upstream knows it, before it is mapped', async () => {
  const outcome = await judge({
    ...given,
    client: { ip: '192.0.2.10' },
    options: {
      networks: {
        local: [],
        trusted: [],
        map: [{ client: ['192.0.2.10/32'], as: { ip: '203.0.113.9' } }],
      },
    },
  });
  assert.equal(outcome.clientClass, 'authenticated');
});

test('whoever asks is told the field, and why it is believed or not', async () => {
  const story = async (change: Partial<Case>) => {
    const outcome = await judge({ ...given, ...change, options: { explain: true } });
    return JSON.stringify(outcome.explanation?.find(({ check }) => check === 'auth')?.facts);
  };
  assert.match(await story({}), /laptop\.example.*believed: it has the upstream’s queue id/);
  const doubted = await story({ upstream: { queueId: 'other' } });
  assert.match(doubted, /laptop\.example.*not believed: its id is not other/);
  const { upstream: _, ...direct } = given;
  const outcome = await judge({ ...direct, options: { explain: true } });
  assert.match(JSON.stringify(outcome.explanation), /not looked at/);
});
