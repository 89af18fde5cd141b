// The judge of the fault runs is judged itself: each broken promise is seen, and only those.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, noFigures, type Sent, type Stored, type StoredRecipient } from './ledger.ts';
import { authservId, makeMail, readMail } from './mail.ts';
import { Random } from './random.ts';

const sent = (final: string | undefined, changes: Partial<Sent> = {}): Sent => ({
  id: 'm1x',
  sender: 'm1x@known.example',
  sizeBytes: 100,
  digest: 'right',
  begunAt: 1000,
  endedAt: 2000,
  recipients: [{ address: 'r1', final }],
  left: false,
  ended: true,
  connection: 'up',
  ...changes,
});

const stored = (reply: StoredRecipient['reply'], changes: Partial<Stored> = {}): Stored => ({
  id: 'm1x',
  sender: 'm1x@known.example',
  digest: 'right',
  spf: undefined,
  recipients: [{ address: 'r1', reply }],
  connection: 'down',
  ...changes,
});

const ok = '250 2.0.0 stored as m1x';
/** One reply for each of two recipients. */
const two = (first: string, second: string) =>
  sent(undefined, {
    recipients: [
      { address: 'r1', final: first },
      { address: 'r2', final: second },
    ],
  });

const cases: readonly {
  readonly name: string;
  readonly sent: readonly Sent[];
  readonly stored: readonly Stored[];
  /** When Postern was killed. */
  readonly kills?: readonly number[];
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
  {
    name: 'refused for good, and the reply was lost',
    sent: [sent('550 no')],
    stored: [stored('lost')],
    claim: /refused for good/,
  },
  {
    name: 'refused for good by a reply that was too many',
    sent: [sent('550 no')],
    stored: [stored('mistaken')],
  },
  {
    name: 'stored as from somebody else',
    sent: [sent(ok)],
    stored: [stored('given', { sender: 'm2x@known.example' })],
    claim: /as from m2x@known.example/,
  },
  {
    name: 'killed while the message was open',
    sent: [sent(undefined)],
    stored: [stored('given')],
    kills: [500, 1500],
  },
  {
    name: 'killed while a message was open that does not end',
    sent: [sent(undefined, { endedAt: undefined })],
    stored: [stored('given')],
    kills: [2500],
  },
  {
    name: 'killed before the reply to RCPT',
    sent: [sent(undefined, { recipients: [] })],
    stored: [stored('given')],
    kills: [1500],
  },
  {
    name: 'killed before and after an unanswered message',
    sent: [sent(undefined)],
    stored: [stored('given')],
    kills: [999, 2001],
    claim: /it got none/,
  },
  {
    name: 'killed, and refused although the reply was given',
    sent: [sent('451 no')],
    stored: [stored('given')],
    kills: [1500],
    claim: /with a reply that upstream was not given/,
  },
  {
    name: 'killed, and acknowledged but not stored',
    sent: [sent(ok)],
    stored: [],
    kills: [1500],
    claim: /not stored/,
  },
  {
    name: 'each recipient as its own reply says',
    sent: [two(ok, '451 no')],
    stored: [stored('given')],
  },
  {
    name: "recipients with each other's replies",
    sent: [two('451 no', ok)],
    stored: [stored('given')],
    claim: /stored for r1 with a reply.*acknowledged for r2 .* not stored/,
  },
  { name: 'stored what nobody sent', sent: [], stored: [stored('given')], claim: /nobody sent/ },
];

for (const { name, sent: given, stored: taken, kills, claim } of cases) {
  test(`${name}: ${claim ? 'a broken promise' : 'as promised'}`, () => {
    const { violations } = judge(given, taken, kills);
    if (claim) assert.match(violations.map((each) => each.claim).join('; '), claim);
    else assert.deepEqual(violations, []);
  });
}

test('the figures say what upstream was told, and what is stored without its knowing', () => {
  const ids = ['m1x', 'm2x', 'm3x', 'm4x'];
  const finals = ['250 2.0.0 stored as m1x', '451 no', undefined, '550 no'];
  const { figures, ambiguous, violations } = judge(
    ids.map((id, i) => sent(finals[i], { id, left: finals[i] === undefined })),
    [stored('given'), stored('lost', { id: 'm2x' }), stored('given', { id: 'm3x' })],
  );
  assert.deepEqual(violations, []);
  assert.deepEqual(figures, {
    ...noFigures(),
    messages: 4,
    ended: 4,
    acknowledged: 1,
    refused: 2,
    unanswered: 1,
    ambiguousDownstream: 1,
    ambiguousUpstream: 1,
  });
  assert.deepEqual(ambiguous, ['m2x for r1: 451 no', 'm3x for r1: no reply']);
});

test('a message is known by its bytes, below the fields that Postern adds and without forged ones', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const { id, wire, digest } = makeMail(`m${seed}x`, new Random(String(seed)), seed % 3 === 0 ? 5000 : 0);
    const passed = wire.toString('latin1').replace(/^Authentication-Results:.*\r\n/m, '');
    const relayed = (text: string) => readMail(Buffer.from(text, 'latin1'));
    assert.deepEqual(relayed(passed), { id, digest, spf: undefined });
    const fields = `Received: from a\r\n by b\r\nAuthentication-Results: ${authservId};\r\n spf=fail\r\n`;
    assert.deepEqual(relayed(fields + passed), { id, digest, spf: 'fail' });
    assert.equal(relayed(wire.toString('latin1')).spf, undefined);
    assert.equal(relayed(`X-Stranger: 1\r\n${passed}`).digest, undefined);
    for (const altered of [passed.slice(0, -2), `${passed}x`, passed.replace('Subject', 'subject')]) {
      assert.notEqual(relayed(altered).digest, digest);
    }
  }
});
