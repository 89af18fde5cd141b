// The downstream half of a transaction: what is said, what is said again, and that each session comes back once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeReply, type Reply } from '../../src/smtp/reply.ts';
import type { XforwardAttributes } from '../../src/smtp/xforward.ts';
import { Delivery } from '../../src/transaction/delivery.ts';
import { type AcquirePlan, FakePool, type FakeSession, settled } from './fakes.ts';

const mail = 'MAIL FROM:<a@example.com>';
const one = 'RCPT TO:<one@example.net>';
const two = 'RCPT TO:<two@example.net>';

/** A delivery over a pool that hands out sessions as planned. */
function start(plans: readonly AcquirePlan[], options: Options = {}) {
  const pool = new FakePool(plans, options.protocol ?? 'smtp');
  const failures: string[] = [];
  const delivery = new Delivery<FakeSession>(pool, options.xforward ?? new Map(), (stage, error) => {
    failures.push(`${stage}: ${error instanceof Error ? error.message : error}`);
  });
  return { pool, delivery, failures, story: pool.story };
}

interface Options {
  readonly protocol?: 'smtp' | 'lmtp';
  readonly xforward?: XforwardAttributes;
}

async function* message(text = 'Subject: x\r\n\r\nbody\r\n'): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(text, 'latin1');
}

async function text(reply: Promise<Parameters<typeof describeReply>[0]>): Promise<string> {
  return describeReply(await reply);
}

/** Recipients that come together with MAIL. */
const behind = (...recipients: string[]) => ({ recipients, data: false });
/** The same, and DATA behind them. */
const whole = (...recipients: string[]) => ({ recipients, data: true });

const lost = '451 4.4.2 downstream closed the connection, try again later';
const gone: Reply = { code: 451, lines: ['4.4.2 upstream does not wait any longer'] };
const ended = '451 4.4.2 the transaction has ended, try again later';

test('envelope, message, and the session is back', async () => {
  const { pool, delivery, failures, story } = start([{ dots: ['250 2.6.0 queued as 7'] }]);
  assert.equal(await text(delivery.mail(mail)), '250 2.0.0 Ok');
  assert.equal(await text(delivery.rcpt(one)), '250 2.0.0 Ok');
  assert.equal(delivery.destination, 'smtp://fake:1');
  const answers = await delivery.send(message('x'), 1);
  assert.deepEqual(answers.map(describeReply), ['250 2.6.0 queued as 7']);
  assert.equal(pool.sessions[0]?.message, 'x');
  delivery.end();
  delivery.end();
  assert.deepEqual(story.lines, [
    'acquire',
    `1 ${mail}`,
    `1 ${one}`,
    '1 DATA',
    '1 content',
    '1 .',
    '1 released',
  ]);
  assert.deepEqual(failures, []);
  assert.equal(describeReply((await delivery.send(message(), 2))[1] ?? assert.fail()), ended);
  pool.assertAllBack();
});

test('XFORWARD goes before MAIL, as far as it is offered; a refusal is logged and stops nothing', async () => {
  const xforward: XforwardAttributes = new Map([
    ['NAME', 'client.example.com'],
    ['ADDR', '2001:db8::1'],
    ['IDENT', undefined],
  ]);
  const plan = { xforward: 'ADDR IDENT', answers: { XFORWARD: '550 5.7.1 Not for you' } };
  const { delivery, failures, story } = start([plan], { xforward });
  assert.equal(await text(delivery.mail(mail)), '250 2.0.0 Ok');
  assert.deepEqual(story.lines.slice(1), [
    '1 XFORWARD ADDR=IPV6:2001:db8::1 IDENT=[UNAVAILABLE]',
    `1 ${mail}`,
  ]);
  assert.deepEqual(failures, ['XFORWARD: refused']);
  delivery.end();
});

test('recipients that came with MAIL go out behind it, and each has its own reply', async () => {
  const { pool, delivery, story } = start([{ pipelining: true, answers: { [one]: '450 4.2.0 later' } }]);
  const mailed = delivery.mail(mail, behind(one, two));
  await story.until(`1 ${two}`);
  assert.equal(await text(mailed), '250 2.0.0 Ok');
  assert.equal(await text(delivery.rcpt(one)), '450 4.2.0 later');
  assert.equal(await text(delivery.rcpt(two)), '250 2.0.0 Ok');
  assert.equal(await text(delivery.rcpt('RCPT TO:<three@example.net>')), '250 2.0.0 Ok');
  await delivery.send(message(), 1);
  delivery.end();
  const commands = story.lines.slice(1, -1);
  assert.deepEqual(commands, [
    `1 ${mail}`,
    `1 ${one}`,
    `1 ${two}`,
    '1 RCPT TO:<three@example.net>',
    '1 DATA',
    '1 content',
    '1 .',
  ]);
  pool.assertAllBack();
});

const unknown = '555 5.5.4 Unsupported option';
const putOff = '451 4.5.4 Unsupported option';

for (const { offers, answers, mailed, rcpted, failed } of [
  {
    offers: [],
    answers: { MAIL: unknown },
    mailed: putOff,
    failed: 'MAIL: smtp://fake:1 does not offer BODY',
  },
  ...[500, 501, 504].map((code) => ({
    offers: [],
    answers: { MAIL: `${code} 5.5.4 Unsupported option` },
    mailed: putOff,
    failed: 'MAIL: smtp://fake:1 does not offer BODY',
  })),
  { offers: ['8BITMIME'], answers: { MAIL: unknown }, mailed: unknown },
  { offers: [], answers: { MAIL: '550 5.7.1 Go away' }, mailed: '550 5.7.1 Go away' },
  {
    offers: [],
    answers: { RCPT: unknown },
    rcpted: putOff,
    failed: 'RCPT: smtp://fake:1 does not offer NOTIFY',
  },
  { offers: ['DSN'], answers: { RCPT: unknown }, rcpted: unknown },
]) {
  const name = `${JSON.stringify(answers)} of a destination that offers ${offers.join() || 'nothing'}`;
  test(`${name} ${failed ? 'puts the message off' : 'is passed on'}`, async () => {
    const { pool, delivery, failures } = start([{ offers, answers }]);
    assert.equal(await text(delivery.mail(`${mail} BODY=8BITMIME`)), mailed ?? '250 2.0.0 Ok');
    if (rcpted) assert.equal(await text(delivery.rcpt(`${one} NOTIFY=NEVER`)), rcpted);
    assert.deepEqual(failures, failed ? [failed] : []);
    delivery.end();
    pool.assertAllBack();
  });
}

test('without PIPELINING each recipient waits for the reply before it', async () => {
  const { delivery, story } = start([{}]);
  await delivery.mail(mail, behind(one));
  assert.deepEqual(story.lines, ['acquire', `1 ${mail}`]);
  await delivery.rcpt(one);
  assert.deepEqual(story.lines, ['acquire', `1 ${mail}`, `1 ${one}`]);
});

test('a pooled connection that dies at MAIL is replaced, recipients behind it included', async () => {
  const { pool, delivery, story } = start([
    { used: true, pipelining: true, answers: { MAIL: 'lost' } },
    { pipelining: true },
  ]);
  assert.equal(await text(delivery.mail(mail, behind(one))), '250 2.0.0 Ok');
  assert.equal(await text(delivery.rcpt(one)), '250 2.0.0 Ok');
  await delivery.send(message(), 1);
  delivery.end();
  assert.deepEqual(story.on(2), [mail, one, 'DATA', 'content', '.', 'released']);
  pool.assertAllBack();
});

test('a connection that dies at a recipient behind MAIL: all is said again, and each recipient once', async () => {
  const { pool, delivery, story } = start([
    { pipelining: true, answers: { [two]: 'lost' } },
    { pipelining: true },
  ]);
  assert.equal(await text(delivery.mail(mail, behind(one, two))), '250 2.0.0 Ok');
  assert.equal(await text(delivery.rcpt(one)), '250 2.0.0 Ok');
  assert.equal(await text(delivery.rcpt(two)), '250 2.0.0 Ok');
  await delivery.send(message(), 1);
  delivery.end();
  assert.deepEqual(story.on(2), [mail, one, two, 'DATA', 'content', '.', 'released']);
  pool.assertAllBack();
});

test('a recipient that went out with MAIL and is not asked for never gets the message', async () => {
  for (const asked of [[one], [two]]) {
    const { pool, delivery, story } = start([{ pipelining: true }, { pipelining: true }]);
    await delivery.mail(mail, asked.includes(one) ? behind(one, two) : behind(one));
    for (const line of asked) assert.equal(await text(delivery.rcpt(line)), '250 2.0.0 Ok');
    await delivery.send(message(), 1);
    delivery.end();
    assert.equal(pool.sessions[0]?.message, undefined);
    assert.deepEqual(story.on(2), [mail, ...asked, 'DATA', 'content', '.', 'released']);
    pool.assertAllBack();
  }
});

/** A delivery that has said DATA on a session as planned, before its message is there. */
async function announced(plan: AcquirePlan) {
  const started = start([plan]);
  await started.delivery.mail(mail);
  await started.delivery.rcpt(one);
  started.delivery.announce();
  await started.story.until('1 DATA');
  return started;
}

test('DATA that was announced is not said again', async () => {
  const { pool, delivery, story } = await announced({});
  assert.equal(pool.sessions[0]?.message, undefined);
  assert.deepEqual((await delivery.send(message(), 1)).map(describeReply), ['250 2.0.0 Queued']);
  delivery.end();
  assert.deepEqual(story.on(1), [mail, one, 'DATA', 'content', '.', 'released']);
  pool.assertAllBack();
});

test('where a message that was announced never comes nothing is said inside DATA', async () => {
  for (const DATA of ['354 Go ahead', 'hang']) {
    const { pool, delivery, failures, story } = await announced({ answers: { DATA } });
    delivery.end();
    assert.deepEqual(story.on(1), [mail, one, 'DATA', 'released']);
    assert.deepEqual(failures, []);
    pool.assertAllBack();
  }
});

test('a refusal of DATA that was announced is the answer to the message', async () => {
  const { pool, delivery, story } = await announced({ answers: { DATA: '554 5.5.1 no valid recipients' } });
  const answers = await delivery.send(message(), 1);
  assert.deepEqual(answers.map(describeReply), ['554 5.5.1 no valid recipients']);
  delivery.end();
  assert.deepEqual(story.on(1), [mail, one, 'DATA', 'released']);
  pool.assertAllBack();
});

test('a pooled connection that is dead when DATA is announced is replaced', async () => {
  const { pool, delivery, story } = start([{ used: true }, {}]);
  await delivery.mail(mail);
  await delivery.rcpt(one);
  pool.sessions[0]?.drop();
  delivery.announce();
  await story.until('2 DATA');
  assert.deepEqual((await delivery.send(message(), 1)).map(describeReply), ['250 2.0.0 Queued']);
  delivery.end();
  assert.deepEqual(story.on(2), [mail, one, 'DATA', 'content', '.', 'released']);
  pool.assertAllBack();
});

test('a connection that is lost after the 354 to DATA that was announced is replaced: nothing of the message has left', async () => {
  const { pool, delivery, failures, story } = await announced({});
  await settled();
  pool.sessions[0]?.drop();
  assert.deepEqual((await delivery.send(message(), 1)).map(describeReply), ['250 2.0.0 Queued']);
  delivery.end();
  assert.deepEqual(story.on(2), [mail, one, 'DATA', 'content', '.', 'released']);
  assert.deepEqual(failures, []);
  pool.assertAllBack();
});

test('DATA that came with the recipients goes out behind them, and is not said again', async () => {
  const { pool, delivery, story } = start([{ pipelining: true, answers: { [two]: '550 5.1.1 no' } }]);
  const mailed = delivery.mail(mail, whole(one, two));
  await story.until('1 DATA');
  assert.deepEqual(story.on(1), [mail, one, two, 'DATA']);
  assert.equal(await text(mailed), '250 2.0.0 Ok');
  assert.equal(await text(delivery.rcpt(one)), '250 2.0.0 Ok');
  assert.equal(await text(delivery.rcpt(two)), '550 5.1.1 no');
  delivery.announce();
  assert.deepEqual((await delivery.send(message(), 1)).map(describeReply), ['250 2.0.0 Queued']);
  delivery.end();
  assert.deepEqual(story.on(1), [mail, one, two, 'DATA', 'content', '.', 'released']);
  pool.assertAllBack();
});

test('without PIPELINING DATA waits for the message, whatever it came with', async () => {
  const { delivery, story } = start([{}]);
  await delivery.mail(mail, whole(one));
  await delivery.rcpt(one);
  assert.deepEqual(story.on(1), [mail, one]);
});

test('where no message comes for a DATA that is under way, the session goes back as it is', async () => {
  for (const DATA of ['554 5.5.1 no valid recipients', '354 Go ahead', '250 2.0.0 Ok', 'hang']) {
    const refused = '550 5.1.1 no';
    const answers = { RCPT: refused, DATA };
    const { pool, delivery, failures, story } = start([{ pipelining: true, answers }]);
    await delivery.mail(mail, whole(one));
    assert.equal(await text(delivery.rcpt(one)), refused);
    delivery.withdraw();
    delivery.end();
    assert.deepEqual(story.on(1), [mail, one, 'DATA', 'released']);
    assert.deepEqual(failures, []);
    pool.assertAllBack();
  }
});

test('after a DATA that was withdrawn the envelope goes on', async () => {
  for (const DATA of ['554 5.5.1 no valid recipients', '354 Go ahead', 'hang']) {
    const answers = { [one]: '550 5.1.1 no', DATA };
    const { pool, delivery, story } = start([{ pipelining: true, answers }, {}]);
    await delivery.mail(mail, whole(one));
    await delivery.rcpt(one);
    delivery.withdraw();
    assert.equal(await text(delivery.rcpt(two)), '250 2.0.0 Ok');
    delivery.end();
    const last = DATA.startsWith('554') ? story.on(1) : story.on(2);
    assert.deepEqual(last.slice(-2), [two, 'released']);
    pool.assertAllBack();
  }
});

test('where MAIL is refused with DATA under way the session goes back as it is', async () => {
  for (const DATA of ['503 5.5.1 no MAIL', '354 Go ahead']) {
    const answers = { MAIL: '550 5.7.1 no', RCPT: '503 5.5.1 no MAIL', DATA };
    const { pool, delivery, story } = start([{ pipelining: true, answers }]);
    assert.equal(await text(delivery.mail(mail, whole(one))), '550 5.7.1 no');
    assert.deepEqual(story.on(1), [mail, one, 'DATA', 'released']);
    delivery.end();
    pool.assertAllBack();
  }
});

test('a connection that dies with DATA under way is replaced as long as no recipient was answered, or the 354 was there', async () => {
  for (const answers of [{ MAIL: 'lost' }, { [one]: 'lost' }] as const) {
    const { pool, delivery, story } = start([
      { used: true, pipelining: true, answers },
      { pipelining: true },
    ]);
    assert.equal(await text(delivery.mail(mail, whole(one))), '250 2.0.0 Ok');
    assert.equal(await text(delivery.rcpt(one)), '250 2.0.0 Ok');
    assert.deepEqual((await delivery.send(message(), 1)).map(describeReply), ['250 2.0.0 Queued']);
    delivery.end();
    assert.deepEqual(story.on(2), [mail, one, 'DATA', 'content', '.', 'released']);
    pool.assertAllBack();
  }
  const { pool, delivery, story } = start([{ pipelining: true }, {}]);
  await delivery.mail(mail, whole(one));
  await delivery.rcpt(one);
  pool.sessions[0]?.drop();
  assert.deepEqual((await delivery.send(message(), 1)).map(describeReply), ['250 2.0.0 Queued']);
  delivery.end();
  assert.deepEqual(story.on(2), [mail, one, 'DATA', 'content', '.', 'released']);
  pool.assertAllBack();
});

test('a connection that comes when the transaction is over goes straight back', async () => {
  const opened = Promise.withResolvers<void>();
  const { pool, delivery, story } = start([{ used: true }, { opened: opened.promise }]);
  await delivery.mail(mail);
  await delivery.rcpt(one);
  pool.sessions[0]?.drop();
  delivery.announce();
  await story.until('acquire fresh');
  delivery.end();
  opened.resolve();
  await settled();
  assert.deepEqual(story.on(2), ['released']);
  pool.assertAllBack();
});

test('a connection that is lost after DATA was announced: the message can come again', async () => {
  const { pool, delivery, failures, story } = await announced({ answers: { DATA: 'lost' } });
  await story.until('1 closed');
  assert.deepEqual((await delivery.send(message(), 1)).map(describeReply), [lost]);
  assert.equal(failures.length, 1);
  delivery.end();
  assert.equal(pool.dot, false);
  pool.assertAllBack();
});

test('a refused MAIL is not followed by what went out behind it', async () => {
  const { pool, delivery } = start([{ pipelining: true, answers: { MAIL: '550 5.7.1 no' } }]);
  assert.equal(await text(delivery.mail(mail, behind(one))), '550 5.7.1 no');
  delivery.end();
  pool.assertAllBack();
});

test('refusals are passed on as they are, and the session goes on', async () => {
  const answers = { [one]: '550 5.1.1 No such user', [two]: '452 4.2.2 Full' };
  const { pool, delivery, failures } = start([{ answers }]);
  await delivery.mail(mail);
  assert.equal(await text(delivery.rcpt(one)), '550 5.1.1 No such user');
  assert.equal(await text(delivery.rcpt(two)), '452 4.2.2 Full');
  assert.equal(delivery.broken, undefined);
  assert.deepEqual([pool.released, failures], [[], []]);
  delivery.end();
  pool.assertAllBack();
});

test('a refused MAIL gives the session back at once', async () => {
  const { pool, delivery } = start([{ answers: { MAIL: '550 5.1.8 Bad sender' } }]);
  assert.equal(await text(delivery.mail(mail)), '550 5.1.8 Bad sender');
  pool.assertAllBack();
  delivery.end();
  pool.assertAllBack();
});

test('what cannot be reached is 451, and its address stays here', async () => {
  const { pool, delivery, failures } = start(['refused']);
  assert.equal(await text(delivery.mail(mail)), '451 4.4.1 downstream cannot be reached, try again later');
  assert.deepEqual(failures, ['MAIL: no connection to fake']);
  assert.equal(pool.sessions.length, 0);
});

for (const answer of ['lost', '421 4.3.2 Shutting down'] as const) {
  test(`a pooled connection that says ${answer} to MAIL is replaced by a fresh one, once`, async () => {
    const dying = { used: true, answers: { MAIL: answer } };
    const good = start([dying, {}]);
    assert.equal(await text(good.delivery.mail(mail)), '250 2.0.0 Ok');
    assert.equal(good.delivery.destination, 'smtp://fake:2');
    assert.deepEqual(good.story.lines, [
      'acquire',
      `1 ${mail}`,
      '1 closed',
      '1 released',
      'acquire fresh',
      `2 ${mail}`,
    ]);
    good.delivery.end();
    good.pool.assertAllBack();

    const bad = start([dying, { answers: { MAIL: answer } }]);
    assert.match(await text(bad.delivery.mail(mail)), /^451 4\./);
    assert.equal(bad.pool.sessions.length, 2);
    bad.pool.assertAllBack();
  });

  test(`a fresh connection that says ${answer} to MAIL is not tried again`, async () => {
    const { pool, delivery } = start([{ answers: { MAIL: answer } }]);
    assert.equal(await text(delivery.mail(mail)), answer === 'lost' ? lost : '451 4.3.2 Shutting down');
    assert.equal(pool.sessions.length, 1);
    pool.assertAllBack();
  });
}

test('a pooled connection that stalls at MAIL is not tried again: the time is over', async () => {
  const { pool, delivery } = start([{ used: true, answers: { MAIL: 'timeout' } }]);
  assert.equal(
    await text(delivery.mail(mail)),
    '451 4.4.2 downstream did not answer in time, try again later',
  );
  assert.equal(pool.sessions.length, 1);
  pool.assertAllBack();
});

test('a connection that stalls at RCPT is not tried again: the time is over', async () => {
  const { pool, delivery } = start([{ used: true, answers: { RCPT: 'timeout' } }]);
  await delivery.mail(mail);
  assert.equal(
    await text(delivery.rcpt(one)),
    '451 4.4.2 downstream did not answer in time, try again later',
  );
  assert.equal(pool.sessions.length, 1);
  pool.assertAllBack();
});

test('the one that replaced a dead pooled connection is not replaced itself', async () => {
  const { pool, delivery } = start([
    { used: true, answers: { MAIL: 'lost' } },
    { answers: { RCPT: 'lost' } },
  ]);
  assert.equal(await text(delivery.mail(mail)), '250 2.0.0 Ok');
  assert.equal(await text(delivery.rcpt(one)), lost);
  assert.equal(pool.sessions.length, 2);
  pool.assertAllBack();
});

test('a connection that dies at RCPT: MAIL and the accepted RCPTs are said again on a fresh one', async () => {
  const first = { used: true, answers: { [two]: 'lost', 'RCPT TO:<no@': '550 5.1.1 No' } };
  const { pool, delivery, story, failures } = start([first, {}]);
  await delivery.mail(mail);
  await delivery.rcpt(one);
  await delivery.rcpt('RCPT TO:<no@example.net>');
  assert.equal(await text(delivery.rcpt(two)), '250 2.0.0 Ok');
  assert.deepEqual(story.lines.slice(story.lines.indexOf('1 closed')), [
    '1 closed',
    '1 released',
    'acquire fresh',
    `2 ${mail}`,
    `2 ${one}`,
    `2 ${two}`,
  ]);
  assert.deepEqual(failures, []);
  delivery.end();
  pool.assertAllBack();
});

test('a connection that died while nobody spoke is replaced before the next RCPT, and before DATA', async () => {
  const { pool, delivery, story } = start([{}, {}]);
  await delivery.mail(mail);
  pool.sessions[0]?.drop();
  assert.equal(await text(delivery.rcpt(one)), '250 2.0.0 Ok');
  assert.deepEqual(story.lines.slice(-4), ['1 released', 'acquire fresh', `2 ${mail}`, `2 ${one}`]);
  pool.sessions[1]?.drop();
  const [answer] = await delivery.send(message(), 1);
  assert.equal(describeReply(answer ?? assert.fail()), lost, 'but once only');
  assert.equal(pool.sessions.length, 2);
  pool.assertAllBack();
});

test('before DATA the envelope is said again, and the message goes out once', async () => {
  const { pool, delivery, story } = start([{}, {}]);
  await delivery.mail(mail);
  await delivery.rcpt(one);
  await delivery.rcpt(two);
  pool.sessions[0]?.drop();
  const [answer] = await delivery.send(message(), 1);
  assert.equal(answer?.code, 250);
  assert.deepEqual(story.lines.slice(story.lines.indexOf('acquire fresh')), [
    'acquire fresh',
    `2 ${mail}`,
    `2 ${one}`,
    `2 ${two}`,
    '2 DATA',
    '2 content',
    '2 .',
  ]);
  delivery.end();
  pool.assertAllBack();
});

for (const [refused, reply] of [
  ['MAIL', '550 5.7.1 Not today'],
  ['RCPT', '550 5.1.1 No such user'],
  ['RCPT', '452 4.2.2 Full'],
  ['MAIL', '421 4.3.2 Busy'],
] as const) {
  test(`an envelope that is refused when said again (${reply}) is 451, never 5yz, and holds for the rest`, async () => {
    const { pool, delivery, failures } = start([{}, { answers: { [refused]: reply } }]);
    await delivery.mail(mail);
    await delivery.rcpt(one);
    pool.sessions[0]?.drop();
    // What is said of one recipient is no answer to another one.
    const softened = refused === 'RCPT' ? lost : reply.replace(/^... 5/, '451 4').replace(/^421/, '451');
    assert.equal(await text(delivery.rcpt(two)), softened);
    assert.equal(await text(delivery.rcpt(two)), softened);
    assert.equal(describeReply((await delivery.send(message(), 1))[0] ?? assert.fail()), softened);
    assert.equal(delivery.broken?.code, 451);
    if (refused === 'RCPT')
      assert.deepEqual(failures, [
        `RCPT: closed inside the transaction; said again, a recipient got ${reply}`,
      ]);
    assert.equal(pool.dot, false);
    pool.assertAllBack();
  });
}

test('where no fresh connection is to be had, the transaction is over with 451', async () => {
  const { pool, delivery } = start([{}, 'refused']);
  await delivery.mail(mail);
  pool.sessions[0]?.drop();
  assert.equal(await text(delivery.rcpt(one)), '451 4.4.1 downstream cannot be reached, try again later');
  assert.equal(delivery.broken?.code, 451);
  pool.assertAllBack();
});

test('421 to RCPT is 451 upstream, and ends the transaction', async () => {
  const { pool, delivery } = start([{ answers: { RCPT: '421 4.3.2 Shutting down' } }]);
  await delivery.mail(mail);
  assert.equal(await text(delivery.rcpt(one)), '451 4.3.2 Shutting down');
  assert.equal(await text(delivery.rcpt(two)), '451 4.3.2 Shutting down');
  assert.equal(pool.story.lines.filter((line) => line.includes('RCPT')).length, 1);
  pool.assertAllBack();
});

test('after DATA was sent nothing is said again', async () => {
  for (const answers of [{ DATA: 'lost' }, { DATA: 'timeout' }, { DATA: '421 4.3.2 Bye' }] as const) {
    const { pool, delivery } = start([{ used: true, answers }]);
    await delivery.mail(mail);
    await delivery.rcpt(one);
    const replies = await delivery.send(message(), 2);
    assert.deepEqual(
      replies.map(({ code }) => code),
      [451, 451],
    );
    delivery.end();
    assert.equal(pool.sessions.length, 1);
    assert.equal(pool.dot, false);
    pool.assertAllBack();
  }
});

test('after the final dot nothing is said again', async () => {
  for (const dot of ['lost', 'timeout', '421 4.3.2 Bye'] as const) {
    const { pool, delivery } = start([{ used: true, dots: [dot] }]);
    await delivery.mail(mail);
    await delivery.rcpt(one);
    const [reply] = await delivery.send(message(), 1);
    assert.equal(reply?.code, 451, dot);
    delivery.end();
    assert.equal(pool.sessions.length, 1);
    pool.assertAllBack();
  }
});

test('a refused DATA is the answer for everybody', async () => {
  const { pool, delivery } = start([{ answers: { DATA: '554 5.5.1 No valid recipients' } }]);
  await delivery.mail(mail);
  await delivery.rcpt(one);
  const replies = await delivery.send(message(), 3);
  assert.deepEqual(replies.map(describeReply), Array(3).fill('554 5.5.1 No valid recipients'));
  delivery.end();
  pool.assertAllBack();
});

test('a 2yz or a strange 3yz to DATA is no success: 451, and that connection is not used again', async () => {
  for (const odd of ['250 2.0.0 Ok', '334 go on']) {
    const { pool, delivery } = start([{ answers: { DATA: odd } }]);
    await delivery.mail(mail);
    await delivery.rcpt(one);
    const [reply] = await delivery.send(message(), 1);
    assert.match(
      describeReply(reply ?? assert.fail()),
      new RegExp(`^451 4\\.4\\.2 .*${odd.slice(0, 3)} out of order`),
    );
    delivery.end();
    assert.equal(pool.sessions[0]?.usable, false);
    assert.equal(pool.dot, false);
    pool.assertAllBack();
  }
});

test('LMTP: each accepted recipient has its own reply, those that never came are 451', async () => {
  const dots = ['250 2.0.0 one', '550 5.2.2 two is full', '421 4.3.2 three', undefined];
  const { pool, delivery, failures } = start([{ dots }], { protocol: 'lmtp' });
  await delivery.mail(mail);
  for (let i = 0; i < 4; i++) await delivery.rcpt(one);
  const replies = await delivery.send(message(), 4);
  assert.deepEqual(replies.map(describeReply), [
    '250 2.0.0 one',
    '550 5.2.2 two is full',
    '451 4.3.2 three',
    lost,
  ]);
  assert.equal(failures.length, 1);
  delivery.end();
  pool.assertAllBack();
});

test('a message that cannot be read is the caller’s to explain; no final dot is sent', async () => {
  const { pool, delivery } = start([{}]);
  await delivery.mail(mail);
  await delivery.rcpt(one);
  async function* broken(): AsyncGenerator<Buffer, void, undefined> {
    yield Buffer.from('begin');
    throw new RangeError('disk gone');
  }
  await assert.rejects(delivery.send(broken(), 1), RangeError);
  delivery.end();
  assert.equal(pool.dot, false);
  assert.equal(pool.sessions[0]?.usable, false);
  pool.assertAllBack();
});

/** Where a transaction may be when it is destroyed: what to wait for, and how to come there. */
const places: readonly {
  readonly name: string;
  readonly plans: readonly AcquirePlan[];
  readonly reached: string;
  readonly run: (delivery: Delivery<FakeSession>, pool: FakePool) => Promise<unknown>;
}[] = [
  { name: 'a connection is waited for', plans: ['hang'], reached: 'acquire', run: (d) => d.mail(mail) },
  {
    name: 'a connection comes in spite of it',
    plans: ['stubborn'],
    reached: 'acquire',
    run: (d) => d.mail(mail),
  },
  {
    name: 'MAIL is not answered',
    plans: [{ answers: { MAIL: 'hang' } }],
    reached: `1 ${mail}`,
    run: (d) => d.mail(mail),
  },
  {
    name: 'MAIL is not answered on a pooled connection',
    plans: [{ used: true, answers: { MAIL: 'hang' } }],
    reached: `1 ${mail}`,
    run: (d) => d.mail(mail),
  },
  {
    name: 'a fresh connection instead of a dead one is waited for',
    plans: [{ used: true, answers: { MAIL: 'lost' } }, 'stubborn'],
    reached: 'acquire fresh',
    run: (d) => d.mail(mail),
  },
  {
    name: 'RCPT is not answered',
    plans: [{ answers: { RCPT: 'hang' } }],
    reached: `1 ${one}`,
    run: async (d) => {
      await d.mail(mail);
      return d.rcpt(one);
    },
  },
  {
    name: 'a fresh connection for the envelope is waited for',
    plans: [{}, 'hang'],
    reached: 'acquire fresh',
    run: async (d, pool) => {
      await d.mail(mail);
      pool.sessions[0]?.drop();
      return d.rcpt(one);
    },
  },
  {
    name: 'the envelope is said again',
    plans: [{}, { answers: { [one]: 'hang' } }],
    reached: `2 ${one}`,
    run: async (d, pool) => {
      await d.mail(mail);
      await d.rcpt(one);
      pool.sessions[0]?.drop();
      return d.send(message(), 1);
    },
  },
  {
    name: 'DATA is not answered',
    plans: [{ answers: { DATA: 'hang' } }],
    reached: '1 DATA',
    run: async (d) => {
      await d.mail(mail);
      await d.rcpt(one);
      return d.send(message(), 1);
    },
  },
];

for (const { name, plans, reached, run } of places) {
  test(`destroyed while ${name}: it settles with 451, and every session comes back once`, async () => {
    const { pool, delivery, story } = start(plans);
    const outcome = run(delivery, pool);
    await story.until(reached);
    delivery.destroy(gone);
    const replies = [await outcome].flat();
    for (const reply of replies) assert.equal((reply as { code: number }).code, 451);
    await settled();
    pool.assertAllBack();
    assert.equal(pool.dot, false);
    assert.equal(await text(delivery.rcpt(two)).then((reply) => reply.slice(0, 3)), '451');
    delivery.destroy(gone);
    delivery.end();
    pool.assertAllBack();
  });
}

for (const how of ['destroyed', 'abandoned'] as const) {
  test(`${how} in the middle of the message: no final dot`, async () => {
    const { pool, delivery, story } = start([{}]);
    await delivery.mail(mail);
    await delivery.rcpt(one);
    const more = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Buffer, void, undefined> {
      yield Buffer.from('begin');
      await more.promise;
      yield Buffer.from('end');
    }
    const answers = delivery.send(slow(), 1);
    await story.until('1 content');
    if (how === 'destroyed') delivery.destroy(gone);
    else delivery.abandon();
    more.resolve();
    assert.equal(
      describeReply((await answers)[0] ?? assert.fail()),
      how === 'destroyed' ? describeReply(gone) : lost,
    );
    assert.equal(pool.dot, false);
    delivery.end();
    pool.assertAllBack();
  });
}

test('destroyed while the final dot is not answered: 451, since nobody knows', async () => {
  const { pool, delivery, story } = start([{ dots: ['hang'] }]);
  await delivery.mail(mail);
  await delivery.rcpt(one);
  const answers = delivery.send(message(), 1);
  await story.until('1 .');
  delivery.destroy(gone);
  assert.equal((await answers)[0], gone);
  pool.assertAllBack();
});
