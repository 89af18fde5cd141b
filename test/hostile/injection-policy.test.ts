// What strangers wrote does not leave its place in what the policy says: the reply to a reject, the field of a quarantine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameServer } from '../support/name-server.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { assertSafeLog, body, converse, poisons, usual } from './poisons.ts';

/** Places in From that a reader of addresses must get past to come to the domain that publishes `p=reject`. */
const authors = (poison: string) => ({
  'a subdomain': `<a@word${poison}.hostile.example>`,
  'a display name': `"word${poison}" <a@hostile.example>`,
  'a quoted domain': `<a@"word${poison}".hostile.example>`,
  'a comment': `<a@(word${poison}) hostile.example>`,
  'a local part': `<"word${poison}"@hostile.example>`,
});

/** With these no author can be read: they end the field, or leave a comment or a quoted string open. */
const unreadable = ['CR LF', 'LF', 'end of a comment'];

const zone = { '_dmarc.hostile.example': { TXT: ['v=DMARC1; p=reject'] } };
// RFC 5321 §4.5.3.1.5: 512 octets with CRLF.
const rejected =
  /^(?=.{1,510}$)550 5\.7\.1 Rejected by the DMARC policy of [!-~]*(?:hostile\.example|\.\.\.) \(p=reject\)$/;
const quarantined = /^X-Disposition-Quarantine: DMARC fail for\s+[!-~]+\s+\(p=reject\)\r$/m;

const explained = /^(?=.{1,510}$)550 5\.7\.1 SPF check failed; refused\.example explains: word [ -~]+$/;

for (const [what, poison] of Object.entries(poisons)) {
  for (const mode of ['before-queue', 'after-queue']) {
    test(`${what} from an author whom DMARC refuses stays in its place, ${mode}`, async () => {
      await using downstream = await ScriptedDownstream.start();
      await using proxy = await RunningProxy.start({
        listener: { mode, bareNewlines: 'pass', destinations: [downstream.destination] },
        settings: { receivedSpf: true, policy: { dmarc: 'reject' } },
        zone,
      });
      let failed = 0;
      for (const [place, author] of Object.entries(authors(poison))) {
        const name = `${what} in ${place}`;
        const message = `From: ${author}\r\n\r\nHello.\r\n`;
        const { replies, added } = await converse(proxy, downstream, name, Object.values(usual), message);
        const record = JSON.stringify(proxy.transactions().at(-1)?.results);
        const fails = record.includes('"dmarc":"fail"');
        if (fails) failed += 1;
        const final = replies.at(-1) ?? [];
        if (!fails) assert.deepEqual(final, ['250 2.0.0 Ok: queued'], name);
        else if (mode === 'before-queue') {
          assert.equal(final.length, 1, name);
          assert.match(final.join(), rejected, name);
          assert.equal(added.length, 0, name);
        } else {
          assert.match(added.join(), quarantined, name);
        }
      }
      assert.equal(failed > 0, !unreadable.includes(what), `${what} reaches no policy`);
      assertSafeLog(proxy, what);
    });
  }

  test(`${what} from DNS stays a text in the reply that repeats it`, async () => {
    await using names = await NameServer.start({
      'TXT refused.example': { values: ['v=spf1 exp=why.example -all'] },
      'TXT why.example': { values: [`word ${poison}`.slice(0, 800)] },
    });
    await using downstream = await ScriptedDownstream.start();
    await using proxy = await RunningProxy.start({
      listener: { mode: 'before-queue', destinations: [downstream.destination] },
      settings: {
        checks: { spf: { explanation: true } },
        // biome-ignore lint/suspicious/noThenProperty: a rule's own word
        policy: { rules: [{ name: 'spf', when: { results: { spf: 'fail' } }, then: 'reject' }] },
        dns: { servers: [names.address] },
      },
    });
    const commands = Object.values({ ...usual, mail: 'MAIL FROM:<a@refused.example>' });
    const { replies } = await converse(proxy, downstream, what, commands, body);
    assert.ok(names.questions.includes('TXT why.example'));
    const final = replies.at(-1) ?? [];
    assert.equal(final.length, 1);
    // RFC 7208 §6.2: an explanation is printable ASCII, and a percent sign begins a macro.
    const isExplanation = /^[\x20-\x7e]+$/.test(poison) && !poison.includes('%');
    assert.match(final.join(), isExplanation ? explained : /^550 5\.7\.1 Message rejected by local policy$/);
    assertSafeLog(proxy, what);
  });
}
