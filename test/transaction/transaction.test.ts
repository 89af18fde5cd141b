// A transaction as a state machine between two fake sides: its replies, its ends, what it leaves behind.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SpoolBudget } from '../../src/message/budget.ts';
import { Spool, SpoolError } from '../../src/message/spool.ts';
import { policyOf, rules } from '../policy/support.ts';
import { type AcquirePlan, FakePool, settled } from './fakes.ts';
import { body, ChangedAuthentication, type Changes, Driven, mailLine, rcptLine } from './start.ts';

/** Of which other messages have taken all. */
function fullBudget(): SpoolBudget {
  const budget = new SpoolBudget(1000);
  budget.take(1000);
  return budget;
}

function start(
  plans: readonly AcquirePlan[] = [],
  changes: Changes & { readonly out?: 'smtp' | 'lmtp' } = {},
) {
  const { out = 'smtp', ...rest } = changes;
  const pool = new FakePool(plans, out);
  return { pool, it: new Driven(pool, rest) };
}

/** Nothing is held any more, and the log has one line. */
async function assertOver({ pool, it }: { pool: FakePool; it: Driven }): Promise<void> {
  await settled();
  pool.assertAllBack();
  assert.equal(it.records.length, 1, 'one line for a transaction');
}

const late = '451 4.4.2 downstream did not answer in time, try again later';
const internal = '451 4.3.0 internal error, try again later';
const envelopes = ['passthrough', 'deferred'] as const;

test('passthrough: the downstream’s own replies, the message with our fields on top, one line in the log', async () => {
  const plan = {
    answers: { MAIL: '250 2.1.0 sender fine', RCPT: '250 2.1.5 rcpt fine' },
    dots: ['250 2.6.0 as 7'],
  };
  const { pool, it } = start([plan]);
  assert.equal(await it.mail(), '250 2.1.0 sender fine');
  assert.equal(await it.rcpt(), '250 2.1.5 rcpt fine');
  assert.equal(it.data(), '354 End data with <CR><LF>.<CR><LF>');
  await it.write();
  assert.ok(!pool.story.lines.includes('1 DATA'), 'the downstream waits for no message that is not there');
  assert.deepEqual(await it.finish(), ['250 2.6.0 as 7']);
  const message = pool.sessions[0]?.message ?? '';
  assert.match(message, /^Authentication-Results: mx\.example\.org;/);
  assert.match(message, /\r\nReceived: from client\.example\.com /);
  assert.ok(message.endsWith(body));
  await assertOver({ pool, it });
  assert.deepEqual(it.record.recipients, [{ to: 'one@example.net', reply: '250 2.1.5 rcpt fine' }]);
  const { from, sizeBytes, destination, disposition, replies } = it.record;
  assert.deepEqual(
    [from, sizeBytes, destination, disposition, replies],
    ['a@example.com', body.length, 'smtp://fake:1', 'accept', ['250 2.6.0 as 7']],
  );
  assert.equal(it.events[0]?.level, 'info');
});

test('Received names the recipient where there is one, and nobody where there are several', async () => {
  for (const names of [['one'], ['one', 'two']]) {
    const { pool, it } = start();
    await it.upToDot(names);
    await it.finish();
    const [, received = ''] = /\r\n(Received: .*?)\r\n(?![ \t])/s.exec(pool.sessions[0]?.message ?? '') ?? [];
    assert.deepEqual(received.match(/[a-z]+@example\.net/g), names.length === 1 ? ['one@example.net'] : null);
    await assertOver({ pool, it });
  }
});

for (const [protocol, parameter, name] of [
  ['smtp', '', 'ESMTP'],
  ['lmtp', '', 'LMTP'],
  ['smtp', ' SMTPUTF8', 'UTF8SMTP'],
  ['lmtp', ' SMTPUTF8', 'UTF8LMTP'],
] as const) {
  test(`Received says ${name} of what came by ${protocol}${parameter && ' with'}${parameter}`, async () => {
    const { pool, it } = start([], { protocol });
    await it.mail(`${mailLine}${parameter}`);
    await it.rcpt();
    it.data();
    await it.write();
    await it.finish();
    assert.match(pool.sessions[0]?.message ?? '', new RegExp(`\\swith ${name}\\sid `));
    await assertOver({ pool, it });
  });
}

test('deferred: nothing is said downstream before the message is there', async () => {
  const { pool, it } = start([], { envelope: 'deferred' });
  await it.upToDot(['one', 'two']);
  assert.deepEqual(pool.story.lines, []);
  assert.deepEqual(await it.finish(), ['250 2.0.0 Queued']);
  assert.deepEqual(pool.story.lines, [
    'acquire',
    `1 ${mailLine}`,
    `1 ${rcptLine('one')}`,
    `1 ${rcptLine('two')}`,
    '1 DATA',
    '1 content',
    '1 .',
    '1 released',
  ]);
  await assertOver({ pool, it });
});

test('deferred in SMTP: one refused recipient refuses the message, and nobody gets it', async () => {
  const { pool, it } = start([{ answers: { [rcptLine('two')]: '550 5.1.1 No such user' } }], {
    envelope: 'deferred',
  });
  await it.upToDot(['one', 'two', 'three']);
  assert.deepEqual(await it.finish(), ['550 5.1.1 No such user']);
  assert.equal(pool.dot, false);
  await assertOver({ pool, it });
});

for (const out of ['smtp', 'lmtp'] as const) {
  test(`deferred, LMTP to ${out}: the others get it, and each has its own reply`, async () => {
    const plan = {
      answers: { [rcptLine('two')]: '550 5.1.1 No such user' },
      dots: ['250 2.0.0 first', '452 4.2.2 second'],
    };
    const { pool, it } = start([plan], { envelope: 'deferred', protocol: 'lmtp', out });
    await it.upToDot(['one', 'two', 'three']);
    assert.deepEqual(await it.finish(), [
      '250 2.0.0 first',
      '550 5.1.1 No such user',
      out === 'lmtp' ? '452 4.2.2 second' : '250 2.0.0 first',
    ]);
    await assertOver({ pool, it });
  });
}

test('deferred, LMTP: all recipients refused, no DATA', async () => {
  const { pool, it } = start([{ answers: { RCPT: '550 5.1.1 No such user' } }], {
    envelope: 'deferred',
    protocol: 'lmtp',
    out: 'lmtp',
  });
  await it.upToDot(['one', 'two']);
  assert.deepEqual(await it.finish(), ['550 5.1.1 No such user', '550 5.1.1 No such user']);
  assert.ok(!pool.story.lines.includes('1 DATA'));
  await assertOver({ pool, it });
});

test('deferred: a refused sender is the answer for everybody who waits for one', async () => {
  for (const protocol of ['smtp', 'lmtp'] as const) {
    const { pool, it } = start([{ answers: { MAIL: '550 5.1.8 Bad sender' } }], {
      envelope: 'deferred',
      protocol,
    });
    await it.upToDot(['one', 'two']);
    assert.deepEqual(await it.finish(), Array(protocol === 'lmtp' ? 2 : 1).fill('550 5.1.8 Bad sender'));
    await assertOver({ pool, it });
  }
});

test('LMTP to LMTP: a reply for each accepted recipient, in order', async () => {
  const plan = {
    answers: { [rcptLine('no')]: '550 5.1.1 No' },
    dots: ['250 2.0.0 one', '550 5.2.2 full', 'lost'],
  } as const;
  const { pool, it } = start([plan], { protocol: 'lmtp', out: 'lmtp' });
  await it.mail();
  for (const name of ['one', 'no', 'two', 'three']) await it.rcpt(name);
  it.data();
  await it.write();
  assert.deepEqual(await it.finish(), [
    '250 2.0.0 one',
    '550 5.2.2 full',
    '451 4.4.2 downstream closed the connection, try again later',
  ]);
  await assertOver({ pool, it });
});

test('LMTP to SMTP: the one reply is everybody’s', async () => {
  const { pool, it } = start([{ dots: ['250 2.0.0 as 9'] }], { protocol: 'lmtp' });
  await it.upToDot(['one', 'two', 'three']);
  assert.deepEqual(await it.finish(), Array(3).fill('250 2.0.0 as 9'));
  await assertOver({ pool, it });
});

for (const envelope of envelopes) {
  test(`${envelope}, SMTP to LMTP: one recipient, the others another time`, async () => {
    const { pool, it } = start([], { envelope, out: 'lmtp' });
    await it.mail();
    assert.match(await it.rcpt('one'), /^250 /);
    assert.match(await it.rcpt('two'), /^452 4\.5\.3 /);
    it.data();
    await it.write();
    assert.deepEqual(await it.finish(), ['250 2.0.0 Queued']);
    assert.ok(!pool.story.lines.includes(`1 ${rcptLine('two')}`));
    await assertOver({ pool, it });
  });
}

test('a recipient that is refused leaves room for another', async () => {
  const { it } = start([{ answers: { [rcptLine('no')]: '550 5.1.1 No' } }], {
    out: 'lmtp',
    limits: { recipients: 1 },
  });
  await it.mail();
  assert.match(await it.rcpt('no'), /^550 /);
  assert.match(await it.rcpt('one'), /^250 /);
  assert.match(await it.rcpt('two'), /^452 4\.5\.3 /);
  it.transaction.abort('test');
});

test('DATA without an accepted recipient is 554, and the transaction goes on', async () => {
  const { pool, it } = start([{ answers: { [rcptLine('no')]: '550 5.1.1 No' } }]);
  await it.mail();
  await it.rcpt('no');
  assert.equal(it.data(), '554 5.5.1 no valid recipients');
  assert.match(await it.rcpt('one'), /^250 /);
  assert.match(it.data(), /^354 /);
  it.transaction.abort('test');
  await assertOver({ pool, it });
});

test('a refused MAIL ends the transaction with the refusal in the log', async () => {
  const { pool, it } = start([{ answers: { MAIL: '550 5.1.8 Bad sender' } }]);
  assert.equal(await it.mail(), '550 5.1.8 Bad sender');
  it.transaction.abort('again');
  await assertOver({ pool, it });
  assert.deepEqual([it.record.replies, it.record.aborted], [['550 5.1.8 Bad sender'], undefined]);
});

test('SIZE= over the limit is 552 without asking anybody', async () => {
  const { pool, it } = start([], { limits: { messageBytes: 100 } });
  assert.equal(await it.mail(`${mailLine} SIZE=101`), '552 5.3.4 message over 100 bytes');
  assert.deepEqual(pool.story.lines, []);
  await assertOver({ pool, it });
});

test('SIZE= of just the limit is taken, and so is the message', async () => {
  const { pool, it } = start([], { limits: { messageBytes: body.length } });
  assert.match(await it.mail(`${mailLine} SIZE=${body.length}`), /^250 /);
  assert.match(await it.rcpt(), /^250 /);
  assert.match(it.data(), /^354 /);
  await it.write();
  assert.deepEqual(await it.finish(), ['250 2.0.0 Queued']);
  await assertOver({ pool, it });
});

test('421 in the middle of the envelope is 451 for the rest of it, DATA included', async () => {
  const { pool, it } = start([{ answers: { [rcptLine('two')]: '421 4.3.2 Shutting down' } }]);
  await it.mail();
  assert.match(await it.rcpt('one'), /^250 /);
  assert.equal(await it.rcpt('two'), '451 4.3.2 Shutting down');
  assert.equal(await it.rcpt('three'), '451 4.3.2 Shutting down');
  assert.equal(it.data(), '451 4.3.2 Shutting down');
  it.transaction.reset('reset');
  await assertOver({ pool, it });
});

test('a pooled connection that died while the message came is replaced, and nobody notices', async () => {
  const { pool, it } = start([{ used: true }, {}]);
  await it.upToDot(['one', 'two']);
  pool.sessions[0]?.drop();
  assert.deepEqual(await it.finish(), ['250 2.0.0 Queued']);
  assert.equal(it.record.destination, 'smtp://fake:2');
  assert.deepEqual(it.failures, []);
  await assertOver({ pool, it });
});

/** What refuses content while it arrives. */
const refusals: readonly { name: string; changes: Changes; text: string; reply: string }[] = [
  {
    name: 'a message over the limit',
    changes: { limits: { messageBytes: 50 } },
    text: `${body}${'x'.repeat(50)}`,
    reply: '552 5.3.4 message over 50 bytes',
  },
  {
    name: 'a header section over its limit',
    changes: { limits: { headerBytes: 10 } },
    text: body,
    reply: '552 5.3.4 header section over 10 bytes',
  },
  {
    name: 'a header section of too many fields',
    changes: {},
    text: `${'a:\r\n'.repeat(10_001)}\r\nx\r\n`,
    reply: '552 5.3.4 header section over 10000 fields',
  },
  {
    name: 'a bare newline where they are rejected',
    changes: { bareNewlines: 'reject' },
    text: 'a: b\n\r\nx\r\n',
    reply: '550 5.6.11 message holds a bare CR or LF',
  },
  {
    name: 'a message that has been everywhere',
    changes: {},
    text: `${'Received: x\r\n'.repeat(101)}\r\nx\r\n`,
    reply: '554 5.4.6 mail loop: more than 100 Received fields',
  },
  {
    name: 'a spool that cannot be written',
    changes: { spool: { memoryBytes: 1, directory: join(tmpdir(), 'postern-test-no-such-directory') } },
    text: body,
    reply: '452 4.3.1 message cannot be stored, try again later',
  },
];

for (const { name, changes, text, reply } of refusals) {
  for (const protocol of ['smtp', 'lmtp'] as const) {
    test(`${name} (${protocol}): the rest is thrown away, the session can be used again`, async () => {
      const { pool, it } = start([], { ...changes, protocol });
      await it.upToDot(['one', 'two'], text);
      for (let i = 0; i < 10; i++) await it.write('more\r\n'.repeat(100));
      assert.deepEqual(await it.finish(), Array(protocol === 'lmtp' ? 2 : 1).fill(reply));
      assert.ok(!pool.story.lines.includes('1 DATA'));
      assert.equal(pool.sessions[0]?.usable, true);
      await assertOver({ pool, it });
      assert.deepEqual(it.failures, name.includes('spool') ? ['spool'] : []);
    });
  }
}

test('after a refusal the checks are stopped and get nothing more, whatever refused it', async () => {
  for (const changes of [
    { limits: { messageBytes: body.length } },
    { spool: { memoryBytes: body.length, directory: join(tmpdir(), 'postern-test-no-such-directory') } },
  ]) {
    let written = '';
    let aborted = 0;
    const authentication = new ChangedAuthentication((run) => ({
      header: (fields) => {
        written += Buffer.concat(fields.map(({ raw }) => raw)).toString('latin1');
        run.header(fields);
      },
      body: (chunk) => {
        written += chunk.toString('latin1');
        return run.body(chunk);
      },
      abort: () => {
        aborted += 1;
        run.abort();
      },
    }));
    const { pool, it } = start([], { authentication, ...changes });
    await it.upToDot();
    assert.equal(aborted, 0);
    await it.write('one too many\r\n');
    assert.ok(aborted > 0);
    await it.write('and more\r\n');
    assert.ok(written.startsWith(body.replace('\r\n\r\n', '\r\n')) && !written.includes('and more'));
    assert.match((await it.finish())[0] ?? '', /^(?:552 5\.3\.4|452 4\.3\.1) /);
    await assertOver({ pool, it });
  }
});

test('what came of a message takes no room any more once it is refused, however much is still to come', async () => {
  const budget = new SpoolBudget(1_000_000);
  const spool = { memoryBytes: 1_000_000, directory: tmpdir(), budget };
  const { pool, it } = start([], { spool, limits: { messageBytes: body.length } });
  await it.upToDot();
  assert.equal(budget.counts.memoryBytes, body.length);
  await it.write('one too many\r\n');
  await settled();
  assert.deepEqual(budget.counts, { memoryBytes: 0, diskBytes: 0, messages: 0 });
  assert.match((await it.finish())[0] ?? '', /^552 5\.3\.4 /);
  await assertOver({ pool, it });
});

test('a message that has been in as many places as one may is no loop yet', async () => {
  const { pool, it } = start();
  await it.upToDot(['one'], `${'Received: x\r\n'.repeat(100)}\r\nx\r\n`);
  assert.deepEqual(await it.finish(), ['250 2.0.0 Queued']);
  await assertOver({ pool, it });
});

test('our own mistakes are 451 4.3.0, and nothing is held', async () => {
  const boom = () => {
    throw new RangeError('mistake');
  };
  const mistakes: readonly [string, ChangedAuthentication][] = [
    ['finish rejects', new ChangedAuthentication(() => ({ finish: async () => boom() }))],
    ['finish throws', new ChangedAuthentication(() => ({ finish: boom }))],
    ['header throws', new ChangedAuthentication(() => ({ header: boom }))],
    ['body throws', new ChangedAuthentication(() => ({ body: boom }))],
    [
      'rewrite throws',
      new ChangedAuthentication((run) => ({
        finish: async (signal) => ({ ...(await run.finish(signal)), rewrite: boom }),
      })),
    ],
  ];
  for (const [name, authentication] of mistakes) {
    for (const envelope of envelopes) {
      const { pool, it } = start([], { authentication, envelope, protocol: 'lmtp' });
      await it.upToDot(['one', 'two']);
      assert.deepEqual(await it.finish(), [internal, internal], name);
      assert.deepEqual(it.failures, ['internal'], name);
      assert.equal(pool.dot, false);
      await assertOver({ pool, it });
    }
  }
});

test('a mistake of ours at MAIL is 451 4.3.0, and ends the transaction', async () => {
  const authentication = new ChangedAuthentication(() => ({
    mail: () => {
      throw new RangeError('mistake');
    },
  }));
  const { pool, it } = start([], { authentication });
  assert.equal(await it.mail(), internal);
  assert.deepEqual(it.failures, ['internal']);
  assert.deepEqual(it.record.replies, [internal]);
  await assertOver({ pool, it });
});

test('a mistake of ours while MAIL waits for a connection: it goes back when it comes', async () => {
  const opened = Promise.withResolvers<void>();
  const authentication = new ChangedAuthentication(() => {
    throw new RangeError('mistake');
  });
  const { pool, it } = start([{ opened: opened.promise }], { authentication });
  assert.equal(await it.mail(), internal);
  opened.resolve();
  await assertOver({ pool, it });
  assert.ok(!pool.story.lines.includes(`1 ${mailLine}`));
});

test('what the policy refuses never goes downstream', async () => {
  const authentication = new ChangedAuthentication((run) => ({
    finish: async (signal) => ({
      ...(await run.finish(signal)),
      dmarc: { domain: 'example.com', policy: 'reject', result: 'fail', aligned: [] },
    }),
  }));
  for (const envelope of envelopes) {
    const policy = policyOf({ dmarc: 'reject' });
    const { pool, it } = start([], { authentication, policy, envelope, protocol: 'lmtp' });
    await it.upToDot(['one', 'two']);
    const reply = '550 5.7.1 Rejected by the DMARC policy of example.com (p=reject)';
    assert.deepEqual(await it.finish(), [reply, reply]);
    assert.equal(it.record.disposition, 'reject');
    assert.equal(pool.dot, false);
    await assertOver({ pool, it });
  }
});

/** Whether nothing that is found of a message can refuse it. */
const surely: readonly { readonly name: string; readonly is: boolean; readonly changes: Changes }[] = [
  { name: 'by default', is: true, changes: {} },
  { name: 'in a dry run', is: true, changes: { policy: policyOf({ dmarc: 'reject', dryRun: true }) } },
  { name: 'where DMARC may refuse it', is: false, changes: { policy: policyOf({ dmarc: 'reject' }) } },
  {
    name: 'where temporary errors may put it off',
    is: false,
    changes: { policy: policyOf({ temperror: { stranger: 'tempfail' } }) },
  },
  {
    name: 'where a rule may refuse it',
    is: false,
    changes: { policy: policyOf(rules('- { name: r, when: { results: { spf: fail } }, then: reject }')) },
  },
  { name: 'where the envelope comes after it', is: false, changes: { envelope: 'deferred' } },
];

for (const { name, is, changes } of surely) {
  test(`DATA goes downstream ${is ? 'before' : 'after'} the message is judged ${name}`, async () => {
    let before: boolean | undefined;
    const authentication = new ChangedAuthentication((run) => ({
      finish: (signal) => {
        before = pool.story.lines.includes('1 DATA');
        return run.finish(signal);
      },
    }));
    const { pool, it } = start([], { authentication, ...changes });
    await it.upToDot();
    assert.deepEqual(await it.finish(), ['250 2.0.0 Queued']);
    assert.equal(before, is);
    assert.equal(pool.story.lines.filter((line) => line === '1 DATA').length, 1);
    await assertOver({ pool, it });
  });
}

/** RCPTs for `one` and `two`, and DATA behind them. */
const together = { recipients: [rcptLine('one'), rcptLine('two')], data: true };

for (const { name, is, changes } of [
  ...surely,
  { name: 'where there is room for one recipient only', is: false, changes: { limits: { recipients: 1 } } },
  {
    name: 'where there is no room for another message',
    is: false,
    changes: { spool: { memoryBytes: 1, directory: tmpdir(), budget: fullBudget() } },
  },
]) {
  test(`DATA that came with the recipients ${is ? 'goes downstream with them' : 'waits'} ${name}`, async () => {
    const { pool, it } = start([{ pipelining: true }], changes);
    assert.match(await it.mail(mailLine, together), /^250 /);
    await settled();
    assert.equal(pool.story.lines.includes('1 DATA'), is);
    it.transaction.abort('test');
    await assertOver({ pool, it });
  });
}

test('where there is no room any more for a message whose DATA is under way, its connection goes back', async () => {
  const budget = new SpoolBudget(1000);
  const spool = { memoryBytes: 1000, directory: tmpdir(), budget };
  const { pool, it } = start([{ pipelining: true }], { spool });
  await it.mail(mailLine, { recipients: [rcptLine('one')], data: true });
  assert.match(await it.rcpt(), /^250 /);
  budget.take(1000);
  assert.equal(it.data(), '452 4.3.1 message cannot be stored, try again later');
  assert.deepEqual(pool.story.on(1), [mailLine, rcptLine('one'), 'DATA', 'released']);
  it.transaction.reset('reset');
  await assertOver({ pool, it });
});

test('DATA that came with a second recipient for LMTP behind SMTP waits: that one is never asked for', async () => {
  const { pool, it } = start([{ pipelining: true }], { out: 'lmtp' });
  assert.match(await it.mail(mailLine, together), /^250 /);
  await settled();
  assert.deepEqual(pool.story.on(1), [mailLine, rcptLine('one')]);
  it.transaction.abort('test');
  await assertOver({ pool, it });
});

test('all recipients refused that DATA came with: 554, and connection and transaction go on', async () => {
  const answers = { RCPT: '550 5.1.1 No', DATA: '554 5.5.1 no valid recipients' };
  const { pool, it } = start([{ pipelining: true, answers }]);
  await it.mail(mailLine, together);
  for (const name of ['one', 'two']) assert.equal(await it.rcpt(name), '550 5.1.1 No');
  assert.equal(it.data(), '554 5.5.1 no valid recipients');
  it.transaction.reset('reset');
  assert.deepEqual(pool.story.on(1), [mailLine, ...together.recipients, 'DATA', 'released']);
  await assertOver({ pool, it });
});

test('a recipient that comes after a DATA that was refused with all before it: DATA is said again', async () => {
  const answers = {
    [rcptLine('one')]: '550 5.1.1 No',
    [rcptLine('two')]: '550 5.1.1 No',
    DATA: '554 5.5.1 No',
  };
  const { pool, it } = start([{ pipelining: true, answers }]);
  await it.mail(mailLine, together);
  for (const name of ['one', 'two']) assert.equal(await it.rcpt(name), '550 5.1.1 No');
  assert.equal(it.data(), '554 5.5.1 no valid recipients');
  assert.match(await it.rcpt('three'), /^250 /);
  assert.match(it.data(), /^354 /);
  await it.write();
  assert.deepEqual(await it.finish(), ['554 5.5.1 No']);
  assert.deepEqual(pool.story.on(1).slice(3), ['DATA', rcptLine('three'), 'DATA', 'released']);
  await assertOver({ pool, it });
});

test('content that is refused with DATA under way never goes downstream', async () => {
  const { pool, it } = start([{ pipelining: true }], { limits: { messageBytes: 10 } });
  await it.mail(mailLine, together);
  for (const name of ['one', 'two']) assert.match(await it.rcpt(name), /^250 /);
  assert.match(it.data(), /^354 /);
  await it.write();
  assert.deepEqual(await it.finish(), ['552 5.3.4 message over 10 bytes']);
  assert.deepEqual(pool.story.on(1), [mailLine, ...together.recipients, 'DATA', 'released']);
  await assertOver({ pool, it });
});

test('what a check proposes after all never goes downstream: DATA waits where one may', async () => {
  const proposal = { kind: 'reject', reason: 'a known liar', text: 'Not here' } as const;
  for (const proposes of [true, false]) {
    const authentication = new ChangedAuthentication(
      (run) => ({ finish: async (signal) => ({ ...(await run.finish(signal)), proposals: [proposal] }) }),
      proposes,
    );
    const { pool, it } = start([], { authentication });
    await it.upToDot();
    assert.deepEqual(await it.finish(), ['550 5.7.1 Not here']);
    assert.equal(pool.dot, false);
    assert.equal(pool.story.lines.includes('1 DATA'), !proposes);
    assert.equal(pool.story.on(1).at(-1), 'released');
    await assertOver({ pool, it });
  }
});

test('the line in the log has what the decision was based on', async () => {
  const override = { kind: 'trusted-arc', text: 'trusted ARC sealer list.example saw it pass' } as const;
  const authentication = new ChangedAuthentication((run) => ({
    finish: async (signal) => ({
      ...(await run.finish(signal)),
      listMail: true,
      dmarc: { domain: 'example.com', policy: 'reject', result: 'fail', aligned: [], override },
    }),
  }));
  const { it } = start([], { authentication });
  await it.upToDot();
  await it.finish();
  const { clientClass, listMail, dmarc } = it.record;
  assert.deepEqual([clientClass, listMail], ['stranger', true]);
  assert.deepEqual(dmarc, { domain: 'example.com', policy: 'reject', override: override.text });
});

test('MAIL leaves before the checks are busy with it, where none of them can refuse it', async () => {
  for (const [envelope, proposes, before] of [
    ['passthrough', false, true],
    ['passthrough', true, false],
    ['deferred', false, false],
  ] as const) {
    let left: boolean | undefined;
    const authentication = new ChangedAuthentication((run) => {
      left = pool.story.lines.includes(`1 ${mailLine}`);
      return run;
    }, proposes);
    const { pool, it } = start([], { authentication, envelope });
    assert.match(await it.mail(), /^250 /);
    assert.equal(left, before);
    it.transaction.reset('reset');
    await assertOver({ pool, it });
  }
});

test('no check begins for an upstream that vanished while MAIL was on its way', async () => {
  const authentication = new ChangedAuthentication(() => assert.fail('a check has begun'));
  const { pool, it } = start([], { authentication });
  const reply = it.mail();
  it.transaction.abort('upstream is gone');
  await reply;
  assert.deepEqual(it.failures, []);
  await assertOver({ pool, it });
});

test('what a check refuses in the envelope never goes downstream, and the log says why', async () => {
  const refuse = (reason: string) => Promise.resolve({ kind: 'reject', reason, text: 'Not here' } as const);
  for (const envelope of envelopes) {
    const atMail = start([], {
      envelope,
      authentication: new ChangedAuthentication(
        () => ({ mail: () => refuse('a sender of ill repute') }),
        true,
      ),
    });
    assert.equal(await atMail.it.mail(), '550 5.7.1 Not here');
    const { disposition, reason, replies } = atMail.it.record;
    assert.deepEqual(
      [disposition, reason, replies],
      ['reject', 'a sender of ill repute', ['550 5.7.1 Not here']],
    );
    assert.deepEqual(atMail.pool.story.lines, []);

    const atRcpt = start([], {
      envelope,
      authentication: new ChangedAuthentication(
        (run) => ({
          rcpt: (to) => (to.startsWith('two@') ? refuse('takes no mail from outside') : run.rcpt(to)),
        }),
        true,
      ),
    });
    await atRcpt.it.mail();
    const answers = [await atRcpt.it.rcpt('one'), await atRcpt.it.rcpt('two')];
    assert.match(answers[0] ?? '', /^250 /);
    assert.equal(answers[1], '550 5.7.1 Not here');
    atRcpt.it.data();
    await atRcpt.it.write();
    await atRcpt.it.finish();
    assert.ok(!atRcpt.pool.story.lines.includes(`1 ${rcptLine('two')}`));
    assert.equal(atRcpt.it.record.disposition, 'accept');
    assert.deepEqual(atRcpt.it.record.recipients, [
      { to: 'one@example.net', reply: answers[0] },
      { to: 'two@example.net', reply: '550 5.7.1 Not here', reason: 'takes no mail from outside' },
    ]);
  }
});

test('the checks are told of the recipients that were accepted, and of no others', async () => {
  for (const envelope of envelopes) {
    const told: string[] = [];
    const authentication = new ChangedAuthentication((run) => ({
      rcpt: async (to) =>
        to.startsWith('two@') ? { kind: 'reject', reason: 'takes no mail from outside' } : undefined,
      accepted: (to) => {
        told.push(to);
        run.accepted(to);
      },
    }));
    const { pool, it } = start([{ answers: { [rcptLine('three')]: '550 5.1.1 No' } }], {
      authentication,
      envelope,
    });
    await it.mail();
    for (const name of ['one', 'two', 'three', 'four']) await it.rcpt(name);
    const passedOn = envelope === 'deferred' ? ['three@example.net'] : [];
    assert.deepEqual(told, ['one@example.net', ...passedOn, 'four@example.net']);
    it.transaction.reset('reset');
    await assertOver({ pool, it });
  }
});

test('a recipient that a check may refuse does not go downstream with MAIL', async () => {
  const heard = new ChangedAuthentication(
    () => ({
      hearsRecipients: true,
      rcpt: async (to) =>
        to.startsWith('two@') ? { kind: 'reject', reason: 'takes no mail from outside' } : undefined,
    }),
    true,
  );
  const { pool, it } = start([{ pipelining: true }], { authentication: heard });
  await it.mail(mailLine, { recipients: [rcptLine('two'), rcptLine('one')], data: true });
  assert.match(await it.rcpt('two'), /^550 /);
  assert.match(await it.rcpt('one'), /^250 /);
  it.data();
  await it.write();
  assert.deepEqual(await it.finish(), ['250 2.0.0 Queued']);
  assert.deepEqual(pool.story.on(1).slice(0, 3), [mailLine, rcptLine('one'), 'DATA']);
  await assertOver({ pool, it });
});

/** Steps of a transaction that can take for ever: how to come there, and what happens first. */
const steps: readonly {
  readonly name: string;
  readonly plans: readonly AcquirePlan[];
  readonly changes?: Changes;
  readonly reached: string;
  readonly run: (it: Driven) => Promise<unknown>;
}[] = [
  { name: 'no connection for MAIL', plans: ['hang'], reached: 'acquire', run: (it) => it.mail() },
  { name: 'a connection too late for MAIL', plans: ['stubborn'], reached: 'acquire', run: (it) => it.mail() },
  {
    name: 'MAIL unanswered',
    plans: [{ answers: { MAIL: 'hang' } }],
    reached: `1 ${mailLine}`,
    run: (it) => it.mail(),
  },
  {
    name: 'RCPT unanswered',
    plans: [{ answers: { RCPT: 'hang' } }],
    reached: `1 ${rcptLine('one')}`,
    run: async (it) => {
      await it.mail();
      return it.rcpt();
    },
  },
  {
    name: 'the second RCPT unanswered',
    plans: [{ answers: { [rcptLine('two')]: 'hang' } }],
    reached: `1 ${rcptLine('two')}`,
    run: async (it) => {
      await it.mail();
      await it.rcpt();
      return it.rcpt('two');
    },
  },
  {
    name: 'DATA unanswered',
    plans: [{ answers: { DATA: 'hang' } }],
    reached: '1 DATA',
    run: async (it) => {
      await it.upToDot();
      return it.finish();
    },
  },
  {
    name: 'the final dot unanswered',
    plans: [{ dots: ['hang'] }],
    reached: '1 .',
    run: async (it) => {
      await it.upToDot();
      return it.finish();
    },
  },
  {
    name: 'no connection for a deferred envelope',
    plans: ['hang'],
    changes: { envelope: 'deferred' },
    reached: 'acquire',
    run: async (it) => {
      await it.upToDot();
      return it.finish();
    },
  },
  {
    name: 'a deferred RCPT unanswered',
    plans: [{ answers: { RCPT: 'hang' } }],
    changes: { envelope: 'deferred' },
    reached: `1 ${rcptLine('one')}`,
    run: async (it) => {
      await it.upToDot(['one', 'two']);
      return it.finish();
    },
  },
];

test('what the downstream has said of some recipients stands when the time for the others is over', async () => {
  const dots = ['250 2.0.0 saved', 'hang', '550 5.7.1 no', '452 4.2.2 full'];
  const { pool, it } = start([{ dots }], { protocol: 'lmtp', out: 'lmtp', limits: { answerMs: 20 } });
  await it.upToDot(['one', 'two', 'three', 'four']);
  assert.deepEqual(await it.finish(), ['250 2.0.0 saved', late, '550 5.7.1 no', '452 4.2.2 full']);
  assert.deepEqual(it.record.replies, ['250 2.0.0 saved', late, '550 5.7.1 no', '452 4.2.2 full']);
  await assertOver({ pool, it });
});

for (const { name, plans, changes, reached, run } of steps) {
  test(`deadline, ${name}: 451 in time, and nothing is held`, async () => {
    const { pool, it } = start(plans, { ...changes, limits: { answerMs: 20 } });
    assert.deepEqual([await run(it)].flat(), [late]);
    assert.ok(pool.story.lines.includes(reached));
    await settled();
    pool.assertAllBack();
    assert.ok(it.failures.includes('deadline'));
    if (it.records.length === 0) {
      // The envelope is not at its end: whatever is said now gets 4yz.
      assert.match(await it.rcpt('three'), /^451 /);
      assert.match(it.data(), /^(?:451 4\.4\.2|554 5\.5\.1 no valid recipients)/);
      it.transaction.reset('reset');
    }
    await assertOver({ pool, it });
    assert.equal(it.record.aborted === undefined, !reached.includes('RCPT') || changes !== undefined);
  });

  test(`upstream vanishes, ${name}: the session is closed and given back once`, async () => {
    // What the final dot comes to is still waited for, but not longer than upstream would have.
    const { pool, it } = start(plans, { ...changes, ...(reached === '1 .' && { limits: { answerMs: 20 } }) });
    const reply = run(it);
    await pool.story.until(reached);
    it.transaction.abort('upstream is gone');
    it.transaction.abort('and again');
    assert.match(String(await reply), /^451 /);
    await it.write();
    await assertOver({ pool, it });
    assert.equal(it.record.aborted, 'upstream is gone');
    assert.equal(pool.dot, reached === '1 .');
    assert.ok(pool.sessions.every((session) => !session.usable || pool.story.lines.length === 2));
  });
}

test('each command has all of the time, and so has the end of data', async ({ mock }) => {
  let now = 1000;
  mock.method(performance, 'now', () => now);
  mock.timers.enable({ apis: ['setTimeout'] });
  const pass = async (ms: number) => {
    now += ms;
    mock.timers.tick(ms);
    await settled();
  };
  for (const [plan, stalls] of [
    [{ answers: { RCPT: 'hang' } }, (it: Driven) => it.rcpt()],
    [{ dots: ['hang'] }, (it: Driven) => it.finish()],
  ] as const) {
    const { pool, it } = start([plan], { limits: { answerMs: 100 } });
    assert.match(await it.mail(), /^250 /);
    await pass(1000);
    if ('dots' in plan) {
      assert.match(await it.rcpt(), /^250 /);
      it.data();
      await it.write();
      await pass(1000);
    }
    const answered = stalls(it);
    await settled();
    await pass(99);
    assert.equal(await Promise.race([answered, 'not yet']), 'not yet');
    await pass(1);
    assert.deepEqual([await Promise.race([answered, 'not yet'])].flat(), [late]);
    it.transaction.reset('reset');
    await assertOver({ pool, it });
  }
});

test('what came in time counts, although this process was held up until later', async () => {
  const { port1, port2 } = new MessageChannel();
  const authentication = new ChangedAuthentication((run) => ({
    finish: async (signal) => {
      const come = once(port1, 'message');
      setImmediate(() => {
        port2.postMessage('come');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      });
      await come;
      return run.finish(signal);
    },
  }));
  const { pool, it } = start([], { authentication, limits: { answerMs: 50 } });
  await it.upToDot();
  assert.deepEqual(await it.finish(), ['250 2.0.0 Queued']);
  port1.close();
  await assertOver({ pool, it });
});

test('upstream vanishes between commands: the session is closed; after RSET it can be used again', async () => {
  for (const how of ['abort', 'reset'] as const) {
    const { pool, it } = start();
    await it.mail();
    await it.rcpt();
    it.transaction[how]('upstream says so');
    await assertOver({ pool, it });
    assert.equal(pool.sessions[0]?.usable, how === 'reset');
    assert.deepEqual([it.record.aborted, it.record.replies], ['upstream says so', []]);
    assert.match(await it.rcpt('two'), /^451 /);
    pool.assertAllBack();
  }
});

test('upstream vanishes while the content arrives: no DATA downstream, what still comes is thrown away', async () => {
  for (const envelope of envelopes) {
    const budget = new SpoolBudget(1_000_000);
    let aborted = 0;
    const authentication = new ChangedAuthentication((run) => ({
      abort: () => {
        aborted += 1;
        run.abort();
      },
    }));
    const spool = { memoryBytes: 1_000_000, directory: tmpdir(), budget };
    const { pool, it } = start([], { envelope, spool, authentication });
    await it.upToDot();
    it.transaction.abort('upstream is gone');
    await it.write('more');
    await assertOver({ pool, it });
    assert.deepEqual(budget.counts, { memoryBytes: 0, diskBytes: 0, messages: 0 });
    assert.ok(aborted > 0, 'the checks are stopped');
    assert.ok(!pool.story.lines.includes('1 DATA'));
    assert.deepEqual((await it.finish()).length, 1);
    assert.equal(it.records.length, 1);
  }
});

test('while the checks are at work: the deadline and a vanished upstream stop them, and nothing goes out', async () => {
  for (const envelope of envelopes) {
    for (const how of ['deadline', 'abort'] as const) {
      const begun = Promise.withResolvers<void>();
      let stopped = false;
      const authentication = new ChangedAuthentication((run) => ({
        finish: async (signal) => {
          begun.resolve();
          await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
          stopped = true;
          return run.finish(signal);
        },
      }));
      // Where upstream has vanished nothing but that may stop them.
      const limits = { answerMs: how === 'deadline' ? 20 : 1_000_000 };
      const { pool, it } = start([], { authentication, envelope, limits, protocol: 'lmtp', out: 'lmtp' });
      await it.upToDot(['one', 'two']);
      const replies = it.finish();
      await begun.promise;
      if (how === 'abort') it.transaction.abort('upstream is gone');
      for (const reply of await replies) assert.match(reply, /^451 /);
      assert.equal((await replies).length, 2);
      assert.equal(pool.dot, false);
      await assertOver({ pool, it });
      assert.ok(stopped);
    }
  }
});

test('checks that never say whether they refuse the envelope cannot hold its replies back', async () => {
  const never = () => new Promise<never>(() => {});
  const limits = { answerMs: 20 };
  const atMail = start([], {
    authentication: new ChangedAuthentication(() => ({ mail: never }), true),
    limits,
  });
  assert.equal(await atMail.it.mail(), late);
  await assertOver(atMail);
  const heard = new ChangedAuthentication(() => ({ rcpt: never, hearsRecipients: true }), true);
  const atRcpt = start([], { authentication: heard, limits });
  assert.match(await atRcpt.it.mail(), /^250 /);
  assert.equal(await atRcpt.it.rcpt(), late);
  assert.equal(atRcpt.it.data(), '554 5.5.1 no valid recipients');
  atRcpt.it.transaction.reset('reset');
  await assertOver(atRcpt);
});

test('checks that never end cannot hold the reply back', async () => {
  const authentication = new ChangedAuthentication(() => ({ finish: () => new Promise(() => {}) }));
  for (const protocol of ['smtp', 'lmtp'] as const) {
    const { pool, it } = start([], { authentication, limits: { answerMs: 20 }, protocol });
    await it.upToDot(['one', 'two']);
    assert.deepEqual(await it.finish(), protocol === 'lmtp' ? [late, late] : [late]);
    assert.equal(pool.dot, false);
    await assertOver({ pool, it });
  }
});

test('a message goes to the spool’s file and out of it again, byte for byte', async () => {
  const { pool, it } = start([], { spool: { memoryBytes: 1000, directory: tmpdir() } });
  const large = `Subject: x\r\n\r\n${'.line of text\r\n'.repeat(20_000)}`;
  await it.upToDot(['one'], '');
  for (let at = 0; at < large.length; at += 5000) await it.write(large.slice(at, at + 5000));
  assert.deepEqual(await it.finish(), ['250 2.0.0 Queued']);
  assert.ok(pool.sessions[0]?.message?.endsWith(large));
  await assertOver({ pool, it });
});

test('a spool that cannot be read again is 452, and no final dot is sent', async ({ mock }) => {
  mock.method(Spool.prototype, 'read', () => {
    throw new SpoolError('spool file cannot be read');
  });
  for (const protocol of ['smtp', 'lmtp'] as const) {
    const { pool, it } = start([], { protocol });
    await it.upToDot(['one', 'two']);
    const reply = '452 4.3.1 message cannot be stored, try again later';
    assert.deepEqual(await it.finish(), protocol === 'lmtp' ? [reply, reply] : [reply]);
    assert.deepEqual(it.failures, ['spool']);
    assert.equal(pool.dot, false);
    await assertOver({ pool, it });
  }
});

test('an end of data without DATA is an internal error, not a crash', async () => {
  const { pool, it } = start();
  await it.mail();
  assert.deepEqual(await it.finish(), [internal]);
  it.transaction.abort('test');
  await assertOver({ pool, it });
});
