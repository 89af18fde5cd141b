// The line that a transaction leaves in the log: its ids, the order of its fields, and that it stays short.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { SpoolBudget } from '../../src/message/budget.ts';
import { downstreamId } from '../../src/transaction/downstream-id.ts';
import { FakePool, replyOf } from './fakes.ts';
import { ChangedAuthentication, Driven } from './start.ts';

test('the downstream’s id is found in what mail servers say', () => {
  const replies = [
    ['250 2.0.0 Ok: queued as 4ABcDeF0123', '4ABcDeF0123'],
    ['250 2.0.0 from MTA(smtp:[127.0.0.1]:10026): 250 2.0.0 Ok: queued as 0123456789AB', '0123456789AB'],
    ['250 OK id=1abCDe-0001Ab-2C', '1abCDe-0001Ab-2C'],
    ['250 2.0.0 34LKsj1x012345 Message accepted for delivery', '34LKsj1x012345'],
    ['250 2.0.0 <b@example.net> 0h6zDq+xyWcBAAAA4tP2Lg Saved', '0h6zDq+xyWcBAAAA4tP2Lg'],
    ['250 2.0.0 <b@example.net> vuTaKniGA2tWTAAAg+zDdQ:T2:R3 Saved', 'vuTaKniGA2tWTAAAg+zDdQ:T2:R3'],
    ['250 Message Queued (1B2C-3D.1)', '1B2C-3D.1'],
  ];
  for (const [text = '', id] of replies) assert.equal(downstreamId(replyOf(text)), id, text);
});

test('what is no id of a message that was taken is none', () => {
  for (const text of [
    '250 2.0.0 Ok',
    '550 5.7.1 not queued as 4ABcDeF0123',
    '250 2.0.0 Ok: queued as <script>',
    '250 2.0.0 Ok: queued as 4ABC, thank you',
    `250 2.0.0 Ok: queued as ${'A'.repeat(100)}`,
  ]) {
    assert.equal(downstreamId(replyOf(text)), undefined, text);
  }
});

test('who, what and where to come first', async () => {
  const driven = new Driven(new FakePool([{ dots: ['250 2.0.0 Ok: queued as 4ABcDeF0123'] }]));
  await driven.upToDot();
  await driven.finish();
  const { record } = driven;
  assert.deepEqual(Object.keys(record).slice(0, 9), [
    'id',
    'client',
    'from',
    'recipients',
    'disposition',
    'replies',
    'destination',
    'downstreamId',
    'results',
  ]);
  assert.equal(record.downstreamId, '4ABcDeF0123');
});

test('in LMTP each recipient’s id is told', async () => {
  const dots = [
    '250 2.0.0 <one@example.net> sessionAAA Saved',
    '250 2.0.0 <two@example.net> sessionBBB Saved',
  ];
  const driven = new Driven(new FakePool([{ dots }], 'lmtp'), { protocol: 'lmtp' });
  await driven.upToDot(['one', 'two']);
  await driven.finish();
  assert.deepEqual(driven.record.downstreamId, ['sessionAAA', 'sessionBBB']);
});

test('of a thousand recipients the line tells ten, and how many more there are', async () => {
  const driven = new Driven(new FakePool(), { limits: { recipients: 1000 } });
  await driven.mail();
  for (let i = 0; i < 1000; i++) await driven.rcpt(`recipient${i}`);
  driven.transaction.abort('enough');
  const { recipients, moreRecipients } = driven.record;
  assert.ok(Array.isArray(recipients));
  assert.equal(recipients.length, 10);
  assert.equal(moreRecipients, 990);
  assert.ok(JSON.stringify(driven.record).length < 8192);
});

test('of many replies in LMTP the gravest is told and counted, whichever it is', async () => {
  const names = Array.from({ length: 30 }, (_, i) => `recipient${i}`);
  const dots = names.map((name, i) => (i === 27 ? `451 4.2.1 ${name} later` : `250 2.0.0 ${name} saved`));
  const counted: string[] = [];
  const driven = new Driven(new FakePool([{ dots }], 'lmtp'), {
    protocol: 'lmtp',
    limits: { recipients: 100 },
    measure: ({ replyClass }) => counted.push(replyClass),
  });
  await driven.upToDot(names);
  await driven.finish();
  const { replies, moreReplies, replyClass } = driven.record;
  assert.ok(Array.isArray(replies));
  assert.equal(replies.length, 10);
  assert.equal(replies[0], '250 2.0.0 recipient0 saved');
  assert.equal(replies.at(-1), '451 4.2.1 recipient27 later');
  assert.equal(moreReplies, 20);
  assert.equal(replyClass, '4xx');
  assert.deepEqual(counted, ['4xx']);
});

test('where all recipients were refused, that is what the transaction counts under', async () => {
  const driven = new Driven(new FakePool([{ answers: { RCPT: '550 5.1.1 unknown' } }]));
  await driven.mail();
  await driven.rcpt();
  driven.transaction.reset('RSET');
  assert.deepEqual(driven.record.replies, []);
  assert.equal(driven.record.replyClass, '5xx');
});

test('a refusal of DATA is the last word of a transaction that ends after it', async () => {
  const budget = new SpoolBudget(1600);
  budget.take(1550);
  const driven = new Driven(new FakePool(), {
    spool: { memoryBytes: 1024, directory: tmpdir(), budget },
  });
  await driven.mail();
  await driven.rcpt();
  assert.match(driven.data(), /^452 4\.3\.1 /);
  driven.transaction.reset('RSET');
  const [reply] = driven.record.replies as string[];
  assert.match(reply ?? '', /^452 4\.3\.1 /);
  assert.equal(driven.record.replyClass, '4xx');
});

test('a letter of a reply is cut', async () => {
  const driven = new Driven(new FakePool([{ answers: { RCPT: `550 5.1.1 ${'long '.repeat(500)}` } }]));
  await driven.mail();
  await driven.rcpt();
  driven.transaction.abort('enough');
  const [recipient] = driven.record.recipients as [{ reply: string }];
  assert.ok(recipient.reply.length < 600);
});

test('an address in UTF-8 is told as it is read, and other bytes as they are', async () => {
  const driven = new Driven(new FakePool());
  const latin1 = (text: string) => Buffer.from(text).toString('latin1');
  const path = (address: string) => ({ text: '', address, parameters: [] });
  await driven.transaction.mail('MAIL FROM:<x>', path(latin1('jürgen@example.com')));
  await driven.transaction.rcpt('RCPT TO:<x>', path('j\xfcrgen@example.net'));
  driven.transaction.abort('enough');
  assert.equal(driven.record.from, 'jürgen@example.com');
  assert.deepEqual((driven.record.recipients as [{ to: string }])[0].to, 'j\xfcrgen@example.net');
});

test('the line of a failure has what the downstream said, where it said something', async () => {
  const driven = new Driven(new FakePool([{ answers: { MAIL: '555 5.5.4 Unsupported option' } }]));
  assert.equal(await driven.mail('MAIL FROM:<a@example.com> BODY=8BITMIME'), '451 4.5.4 Unsupported option');
  const failure = driven.events.find(({ event }) => event === 'transaction failure');
  assert.deepEqual([failure?.fields.stage, failure?.fields.reply], ['MAIL', '555 5.5.4 Unsupported option']);
});

test('the line of a failure says at which listener, and that of a mistake of ours where it was made', async () => {
  const authentication = new ChangedAuthentication(() => ({ mail: () => assert.fail('a mistake') }));
  const driven = new Driven(new FakePool(), { authentication });
  assert.equal(await driven.mail(), '451 4.3.0 internal error, try again later');
  const [failure] = driven.events.filter(({ event }) => event === 'transaction failure');
  assert.deepEqual([failure?.fields.listener, failure?.fields.stage], ['test', 'internal']);
  assert.match(String(failure?.fields.stack), /a mistake\n[\s\S]*\bat .*record\.test\.ts/);
});
