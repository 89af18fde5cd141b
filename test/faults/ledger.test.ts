// The judge of the fault runs is judged itself: each broken promise is seen, and only those.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, type Sent, type Stored } from './ledger.ts';
import { makeMail, readMail } from './mail.ts';
import { Random } from './random.ts';

const sent = (final: string | undefined, changes: Partial<Sent> = {}): Sent => ({
  id: 'm1x',
  digest: 'right',
  recipients: [{ address: 'r1', final }],
  left: false,
  ended: true,
  connection: 'up',
  ...changes,
});

const stored = (reply: 'given' | 'lost', changes: Partial<Stored> = {}): Stored => ({
  id: 'm1x',
  digest: 'right',
  recipients: [{ address: 'r1', reply }],
  connection: 'down',
  ...changes,
});

const ok = '250 2.0.0 stored as m1x';

const cases: readonly {
  readonly name: string;
  readonly sent: readonly Sent[];
  readonly stored: readonly Stored[];
  readonly claim?: RegExp;
}[] = [
  { name: 'acknowledged and stored', sent: [sent(ok)], stored: [stored('given')] },
  { name: 'refused and not stored', sent: [sent('451 no')], stored: [] },
  { name: 'refused, and the reply was lost', sent: [sent('451 no')], stored: [stored('lost')] },
  { name: 'upstream went away', sent: [sent(undefined, { left: true })], stored: [stored('given')] },
  { name: 'acknowledged and not stored', sent: [sent(ok)], stored: [], claim: /not stored/ },
  {
    name: 'stored in part',
    sent: [sent(ok)],
    stored: [stored('given', { digest: 'wrong' })],
    claim: /in part or altered/,
  },
  {
    name: 'stored twice',
    sent: [sent(ok)],
    stored: [stored('given'), stored('lost')],
    claim: /stored 2 times/,
  },
  {
    name: 'refused, although the reply was given',
    sent: [sent('451 no')],
    stored: [stored('given')],
    claim: /with a reply that upstream was not given/,
  },
  {
    name: 'not answered, although the reply was given',
    sent: [sent(undefined)],
    stored: [stored('given')],
    claim: /it got none/,
  },
  {
    name: "acknowledged with another message's reply",
    sent: [sent('250 2.0.0 stored as m2x')],
    stored: [stored('given')],
    claim: /another message/,
  },
  {
    name: 'stored for whoever was not accepted',
    sent: [sent(ok, { recipients: [] })],
    stored: [stored('given')],
    claim: /who was not accepted/,
  },
  { name: 'stored what nobody sent', sent: [], stored: [stored('given')], claim: /nobody sent/ },
];

for (const { name, sent: given, stored: taken, claim } of cases) {
  test(`${name}: ${claim ? 'a broken promise' : 'as promised'}`, () => {
    const { violations } = judge(given, taken);
    if (claim) assert.match(violations.map((each) => each.claim).join('; '), claim);
    else assert.deepEqual(violations, []);
  });
}

test('a message is known by its bytes, below the fields that Postern adds and without forged ones', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const { id, wire, digest } = makeMail(`m${seed}x`, new Random(String(seed)), seed % 3 === 0 ? 5000 : 0);
    const passed = wire.toString('latin1').replace(/^Authentication-Results:.*\r\n/m, '');
    const relayed = (text: string) => readMail(Buffer.from(text, 'latin1'));
    assert.deepEqual(relayed(passed), { id, digest });
    assert.deepEqual(relayed(`Received: from a\r\n by b\r\nARC-Seal: i=1\r\n${passed}`), { id, digest });
    assert.equal(relayed(`X-Stranger: 1\r\n${passed}`).digest, undefined);
    for (const altered of [passed.slice(0, -2), `${passed}x`, passed.replace('Subject', 'subject')]) {
      assert.notEqual(relayed(altered).digest, digest);
    }
  }
});
