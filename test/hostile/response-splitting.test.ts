// A reply of the downstream, who may repeat what a stranger wrote, is one reply upstream and never another message's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream, type ScriptedVerb } from '../support/scripted-downstream.ts';
import { assertSafeLog, body, converse, usual } from './poisons.ts';

const envelope = [usual.hello, usual.mail, usual.rcpt];

const texts = [
  'a\rb\r250 c',
  'a\0b',
  '\x1b[31m\x07',
  '\xff\xfe\x85',
  '\t',
  'x'.repeat(4000),
  '',
  '250 2.0.0 Ok',
];

/** Where a hostile reply is given, and the codes with which the message is accepted all the same. */
const verbs: Readonly<Partial<Record<ScriptedVerb, readonly string[]>>> = {
  GREETING: ['250'],
  // After 550 it is asked for HELO.
  EHLO: ['250', '550'],
  // Without it the downstream knows less of the client; 421 ends the connection, each time.
  XFORWARD: ['250', '354', '450', '550'],
  MAIL: ['250'],
  RCPT: ['250'],
  DATA: ['354'],
  CONTENT: ['250'],
  // Then the next transaction has a connection of its own.
  RSET: ['250', '354', '421', '450', '550'],
};

const ourOffer =
  /^250[ -](?:postern\.example|PIPELINING|SIZE [0-9]+|8BITMIME|SMTPUTF8|DSN|ENHANCEDSTATUSCODES|XFORWARD [A-Z ]+)$/;

/** With RSET, in the middle of one: then the session that was reset carries the other. */
const dialogue = (verb: string) => (verb === 'RSET' ? [...envelope, 'RSET', ...envelope.slice(1)] : envelope);

for (const [verb, accepting] of Object.entries(verbs)) {
  test(`a reply to ${verb} is one reply upstream, whatever its text holds`, async () => {
    for (const code of ['250', '354', '421', '450', '550']) {
      for (const text of texts) {
        const name = `${verb} ${code} ${JSON.stringify(text.slice(0, 20))}`;
        await using downstream = await ScriptedDownstream.start({
          answers: { [verb]: () => [`${code}-${text}`, `${code} ${text}`] },
        });
        await using proxy = await RunningProxy.start({
          listener: { destinations: [downstream.destination] },
        });
        const { replies, messages } = await converse(proxy, downstream, name, dialogue(verb), body);
        for (const line of replies[0] ?? []) assert.match(line, ourOffer, name);
        const final = replies.at(-1)?.join() ?? '';
        if (accepting.includes(code)) {
          assert.match(final, /^250/, name);
          assert.equal(messages.length, 1, name);
        } else {
          assert.match(final, /^[45]/, name);
          assert.equal(messages.length, verb === 'CONTENT' ? 1 : 0, name);
        }
        assertSafeLog(proxy, name);
      }
    }
  });
}

/** The verb that is refused after the one that had two replies: nobody may take the second one for its reply. */
const following: Readonly<Partial<Record<ScriptedVerb, ScriptedVerb>>> = {
  GREETING: 'MAIL',
  EHLO: 'MAIL',
  XFORWARD: 'MAIL',
  MAIL: 'RCPT',
  RCPT: 'DATA',
  DATA: 'CONTENT',
  RSET: 'MAIL',
};

/** How a reply that nobody asked for comes behind one that was due. */
const unasked: Readonly<Record<string, (code: string) => readonly string[]>> = {
  'a second reply': (code) => [`${code} Ok`, '250 2.0.0 forged'],
  'a bare LF and a second reply': (code) => [`${code} Ok\n250 2.0.0 forged`],
  'a line, a bare LF and a second reply': (code) => [`${code}-Ok`, `${code} Ok\n250 2.0.0 forged`],
  'two more replies': (code) => [`${code} Ok`, '250 2.0.0 forged', '250 2.0.0 forged'],
};

for (const [what, lines] of Object.entries(unasked)) {
  test(`${what} behind the one that was due accepts nothing that was refused`, async () => {
    for (const [verb, next] of Object.entries(following)) {
      const code = { GREETING: '220', DATA: '354' }[verb] ?? '250';
      let resets = 0;
      await using downstream = await ScriptedDownstream.start({
        answers: {
          [next]: () => (verb === 'RSET' && resets === 0 ? undefined : '550 5.7.1 refused'),
          [verb]: () => {
            resets += 1;
            return lines(code);
          },
        },
      });
      await using proxy = await RunningProxy.start({ listener: { destinations: [downstream.destination] } });
      const { replies, messages } = await converse(proxy, downstream, verb, dialogue(verb), body);
      assert.match(replies.at(-1)?.join() ?? '', /^[45]/, `${what} to ${verb}`);
      if (verb !== 'DATA') assert.equal(messages.length, 0, verb);
      assertSafeLog(proxy, verb);
    }
  });

  test(`${what} behind that to a message is not the next transaction's`, async () => {
    let senders = 0;
    await using downstream = await ScriptedDownstream.start({
      answers: {
        MAIL: () => (++senders === 1 ? undefined : '550 5.7.1 refused'),
        CONTENT: () => lines('250'),
      },
    });
    await using proxy = await RunningProxy.start({
      listener: { destinations: [downstream.destination], pool: { size: 1 } },
    });
    const first = await converse(proxy, downstream, what, envelope, body);
    assert.match(first.replies.at(-1)?.join() ?? '', /^250/);
    const second = await converse(proxy, downstream, what, envelope, body);
    assert.equal(second.replies[1]?.join(), '550 5.7.1 refused');
    assert.equal(downstream.messages.length, 1);
    assertSafeLog(proxy, what);
  });
}

/** Which reply tells upstream of it, and what that is. */
const endless: Readonly<Partial<Record<ScriptedVerb, readonly [index: number, reply: RegExp]>>> = {
  GREETING: [1, /^451 4\.4\.[12] /],
  EHLO: [1, /^451 4\.4\.[12] /],
  XFORWARD: [1, /^451 4\.4\.2 /],
  MAIL: [1, /^451 4\.4\.2 /],
  RCPT: [2, /^451 4\.4\.2 /],
  DATA: [4, /^451 4\.4\.2 /],
  CONTENT: [4, /^451 4\.4\.2 /],
};

for (const [verb, [index, expected]] of Object.entries(endless)) {
  test(`a reply line to ${verb} without an end is an error, and no memory`, async () => {
    await using downstream = await ScriptedDownstream.start({
      answers: { [verb]: () => `${verb === 'DATA' ? 354 : 250} ${'x'.repeat(10_000_000)}` },
    });
    await using proxy = await RunningProxy.start({ listener: { destinations: [downstream.destination] } });
    const { replies } = await converse(proxy, downstream, verb, envelope, body);
    assert.match(replies[index]?.join() ?? '', expected);
    assertSafeLog(proxy, verb);
    assert.ok(JSON.stringify(proxy.events).length < 20_000);
  });
}
