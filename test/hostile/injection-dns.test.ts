// What strangers write into DNS stays a text, and reaches those who read it: beside each poison stands a harmless word.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Explanation } from '../../src/authentication/story/explanation.ts';
import { NameServer } from '../support/name-server.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { makeKey } from '../support/signing.ts';
import { assertSafeLog, body, converse, poisons, usual } from './poisons.ts';

/** Every check that reads what strangers publish. */
const checks = {
  iprev: {},
  spf: { explanation: true, helo: 'always' },
  bimi: {},
  'x-ptr': {},
  'x-return-mx': {},
  dnsbl: { zones: [{ zone: 'list.example', field: 'X-List' }] },
};

const key = makeKey('example.com', 's', 'rsa', 1024);
/** The body is what it says, so that the key is read. */
const bodyHash = createHash('sha256').update('Hello.\r\n').digest('base64');
const signature = `DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=${bodyHash}; b=eA==\r\n`;

/** One that is sent to each of these domains' authors, so that one broken record does not hide another. */
const domains = ['example.com', 'refused.example', 'broken.example', 'policy.example'];

/** A place for poison, and what is seen of the harmless word before it. */
interface Place {
  readonly question: string;
  readonly value: (text: string) => string;
  readonly word: string;
  /** In the header of the message, or only in the story of what the checks found. */
  readonly shown: 'header' | 'story';
  /** With these poisons it is no valid record, and its words are not repeated. */
  readonly invalid?: readonly string[];
  /** What is said instead. */
  readonly instead?: RegExp;
}

const unprintable = [
  'CR LF',
  'CR',
  'LF',
  'NUL',
  'terminal escape',
  'C1 controls',
  'UTF-8 line separator',
  'UTF-8 next line',
  'UTF-8 right-to-left override',
];

const places: readonly Place[] = [
  {
    question: 'PTR 10.2.0.192.in-addr.arpa',
    value: (text) => `word-ptr${asLabel(text)}.example.com`,
    word: 'word-ptr',
    shown: 'story',
  },
  {
    question: 'MX example.com',
    value: (text) => `10 word-mx${asLabel(text)}.example.com`,
    word: 'word-mx',
    shown: 'header',
  },
  {
    question: 'TXT why.example.com',
    value: (text) => `word-exp ${text}`,
    word: 'word-exp',
    shown: 'header',
    invalid: [...unprintable, 'percent encoding'],
    instead: /spf=fail[^;]*smtp\.mailfrom=refused\.example/,
  },
  {
    question: 'TXT broken.example',
    value: (text) => `v=spf1 x-word-spf=${text} -all`,
    word: 'word-spf',
    shown: 'story',
    invalid: [...unprintable, 'percent encoding', 'end of a comment', 'a long text'],
    instead: /spf=permerror[^;]*smtp\.mailfrom=broken\.example/,
  },
  {
    question: 'TXT _dmarc.policy.example',
    value: (text) => `v=DMARC1; p=reject; x=word-dmarc ${text}`,
    word: 'word-dmarc',
    shown: 'story',
    invalid: ['end of a quoted string'],
    instead: /dmarc=[^;]*header\.from=policy\.example/,
  },
  {
    question: 'TXT s._domainkey.example.com',
    value: (text) => `${key.record}; n=word-key ${text}`,
    word: 'word-key',
    shown: 'story',
    // Its semicolon begins a tag that is none.
    invalid: ['terminal escape'],
    instead: /dkim=neutral reason="invalid public key"/,
  },
  {
    question: 'TXT default._bimi.example.com',
    value: (text) => `v=BIMI1; l=https://word-bimi.example/${text}.svg`,
    word: 'word-bimi',
    shown: 'story',
  },
  {
    question: 'TXT 10.2.0.192.list.example',
    value: (text) => `word-list ${text}`,
    word: 'word-list',
    shown: 'header',
  },
];

/** A label holds 63 octets. */
function asLabel(text: string): string {
  return text.slice(0, 40).replaceAll('.', '');
}

for (const [what, poison] of Object.entries(poisons)) {
  test(`${what} from DNS stays a text`, async () => {
    const text = poison.slice(0, 200);
    const poisoned = Object.fromEntries(
      places.map(({ question, value }) => [question, { values: [value(text)] }]),
    );
    await using names = await NameServer.start({
      ...poisoned,
      'A 10.2.0.192.list.example': { values: ['127.0.0.2'] },
      'TXT example.com': { values: ['v=spf1 ip4:192.0.2.10 -all'] },
      'TXT refused.example': { values: ['v=spf1 exp=why.example.com -all'] },
      'TXT _dmarc.example.com': { values: ['v=DMARC1; p=reject'] },
      // A name that can be asked for leads back to the client, and is shown.
      [`A word-ptr${asLabel(text)}.example.com`]: { values: ['192.0.2.10'] },
    });
    await using downstream = await ScriptedDownstream.start();
    await using proxy = await RunningProxy.start({
      listener: { bareNewlines: 'pass', pool: { size: 2 }, destinations: [downstream.destination] },
      settings: { receivedSpf: true, checks, trace: { keep: 10 }, dns: { servers: [names.address] } },
    });
    let header = '';
    for (const domain of domains) {
      const commands = { ...usual, mail: `MAIL FROM:<a@${domain}>` };
      const message = `${signature}${body.replace('a@example.com', `a@${domain}`)}`;
      const { added } = await converse(proxy, downstream, what, Object.values(commands), message);
      assert.equal(added.length, 1, what);
      header += added.join('');
    }
    // Without the questions, whose answers are written down whether anybody reads them or not.
    const story = JSON.stringify(
      proxy.trace
        .list()
        .flatMap(({ id }) => proxy.trace.get(id)?.explanation as Explanation)
        .map(({ facts, results }) => ({ facts, results })),
    );
    const unfolded = header.replaceAll(/\r\n[\t ]+/g, ' ');
    for (const { question, word, shown, invalid, instead } of places) {
      const where = `${what} in ${question}`;
      assert.ok(names.questions.includes(question), `${where} was not asked for`);
      if (invalid?.includes(what)) assert.match(unfolded, instead ?? /never/, where);
      else assert.ok((shown === 'header' ? header : story).includes(word), `${where} is not shown`);
    }
    if (what === 'a long word') assert.ok(header.includes('word-ptr'));
    assertSafeLog(proxy, what);
  });
}
