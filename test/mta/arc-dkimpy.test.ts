// ARC sets against an implementation that shares nothing with ours: dkimpy validates what a running proxy
// sealed, and the proxy validates what dkimpy sealed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { makeKey, type SigningKey, sign } from '../support/signing.ts';
import { arcSign, arcVerify } from './support/dkimpy.ts';
import { skipWithoutTools } from './support/requires.ts';

const author = makeKey('author.example', 'dkim');
const rsa = makeKey('rsa.example', 'arc', 'rsa', 2048);
const ed25519 = makeKey('ed25519.example', 'arc', 'ed25519');
const other = makeKey('dkimpy.example', 'arc', 'rsa', 2048);
const zone = { ...author.zone, ...rsa.zone, ...ed25519.zone, ...other.zone };

const written = [
  'From: Alice <alice@author.example>',
  'To: bob@example.net,',
  '\tcarol@example.net',
  'Cc: dave@example.net',
  'Subject: =?utf-8?q?caf=C3=A9?=   with    blanks ',
  'Date: Mon, 5 Jan 2026 10:00:00 +0000',
  'Message-ID: <1@author.example>',
  'References: <0@author.example>',
  'List-Id: <list.example>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: 8bit',
  'X-Other: not covered',
  '',
  'A body  with blanks \t',
  '.and a dot, and Gr\u00fc\u00dfe',
  '',
  '',
].join('\r\n');

/** Sends a message through a proxy that seals with this key. */
async function through(message: Buffer, key?: SigningKey): Promise<Buffer> {
  await using downstream = await ScriptedDownstream.start();
  const seal = key && { domain: key.domain, selector: key.selector, key: 'arc.pem' };
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination] },
    settings: { authservId: key?.domain ?? 'last.example', checks: { arc: seal ? { seal } : {} } },
    zone,
    files: key ? { 'arc.pem': key.privateKey } : {},
  });
  using client = await RawClient.connect(proxy.address);
  const says = async (text: string, code: string) => {
    client.send(text);
    let line = await client.line();
    while (line?.[3] === '-') line = await client.line();
    assert.equal(line?.slice(0, 3), code, line);
  };
  await says('', '220');
  await says('EHLO upstream.example\r\n', '250');
  await says('MAIL FROM:<alice@author.example>\r\n', '250');
  await says('RCPT TO:<bob@example.net>\r\n', '250');
  await says('DATA\r\n', '354');
  const stuffed = message.toString('latin1').replaceAll('\r\n.', '\r\n..');
  await says(`${stuffed}.\r\n`, '250');
  return downstream.messages[0]?.data ?? Buffer.alloc(0);
}

describe('dkimpy', { skip: skipWithoutTools('dkimpy', 'authres') }, () => {
  const message = Buffer.from(written, 'utf8');
  const holding = (instance: number, cv: string) => ({ instance, cv, seal: true, messageSignature: true });

  for (const key of [rsa, ed25519]) {
    test(`takes a message that was sealed once (${key.domain})`, async () => {
      const sealed = await through(await sign(message, author), key);
      const verdict = await arcVerify(sealed, zone);
      assert.deepEqual(verdict, { cv: 'pass', reason: 'success', sets: [holding(1, 'none')] });
      const results = /^ARC-Authentication-Results: i=1; ((?:.|\r\n )*)/m.exec(
        sealed.toString('latin1'),
      )?.[1];
      assert.match(results ?? '', /dkim=pass/);
      assert.ok(sealed.includes(`\r\nAuthentication-Results: ${results}\r\n`));
    });
  }

  test('takes a message that was sealed twice, with keys of two kinds', async () => {
    const sealed = await through(await through(await sign(message, author), rsa), ed25519);
    const verdict = await arcVerify(sealed, zone);
    assert.deepEqual(verdict, {
      cv: 'pass',
      reason: 'success',
      sets: [holding(2, 'pass'), holding(1, 'none')],
    });
  });

  test('sees what was changed after the seal', async () => {
    const sealed = await through(message, rsa);
    for (const [from, to] of [
      ['A body', 'Another body'],
      ['Subject: ', 'Subject: changed '],
      ['arc=none', 'arc=pass'],
    ] as const) {
      const changed = Buffer.from(sealed.toString('latin1').replace(from, to), 'latin1');
      assert.notDeepEqual(changed, sealed);
      assert.equal((await arcVerify(changed, zone)).cv, 'fail', from);
    }
  });

  test('reads our cv=fail as the end of the chain, over our own set alone', async () => {
    const once = await through(message, rsa);
    const broken = Buffer.from(once.toString('latin1').replace('A body', 'Another body'), 'latin1');
    const sealed = await through(broken, ed25519);
    assert.match(sealed.toString('latin1'), /^ARC-Seal: i=2;(?:.|\r\n )* cv=fail;/);
    const verdict = await arcVerify(sealed, zone);
    assert.equal(verdict.cv, null, verdict.reason);
    assert.equal(await through(sealed, rsa).then((again) => again.includes('i=3;')), false);
  });

  test('seals a message that we validate', async () => {
    const judged = await through(message, undefined);
    const once = await arcSign(judged, other, 'last.example');
    const received = await through(once);
    assert.match(
      received.toString('latin1'),
      /arc=pass \(i=1 sealed by dkimpy\.example\) header\.d=dkimpy\.example\s+header\.oldest-pass=0/,
    );
  });

  test('seals a message after us, and we validate both', async () => {
    const once = await through(await sign(message, author), ed25519);
    const judged = await through(once);
    const twice = await arcSign(judged, other, 'last.example');
    const received = await through(twice);
    assert.match(
      received.toString('latin1'),
      /arc=pass \(i=2 sealed by dkimpy\.example, ed25519\.example\)\s+header\.d=dkimpy\.example\s+header\.oldest-pass=0/,
    );
  });
});
