// Records that are missing, broken, huge or hostile, in the place of each that a check asks for: a defined result, always.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer, Zone, ZoneRecords } from '../../src/dns/zone.ts';
import { signField } from '../support/field-signer.ts';
import { NameServer } from '../support/name-server.ts';
import { makeKey, seal, sign } from '../support/signing.ts';
import { type Case, judge, plain, values, zoneResolver } from './judge.ts';
import { only } from './only.ts';

/** Of one message whose records are as many as they may be. */
const mostQuestions = 12;

type Type = 'A' | 'MX' | 'PTR' | 'TXT';

/** A question of a check, and a message whose result hangs on its answer. */
interface Subject {
  readonly what: string;
  readonly name: string;
  readonly type: Type;
  /** The answer as it should be. */
  readonly answer: Answer;
  /** What else DNS has to say. */
  readonly others?: Readonly<Record<string, ZoneRecords>>;
  readonly given: Case;
}

const txt = (...records: string[]): Answer => records.map((record) => [record]);
/** More than an answer of DNS can hold, and less than an administrator's zone. */
const size = 70_000;
const long: Readonly<Record<Type, Answer>> = {
  A: Array.from({ length: size / 4 }, (_, i) => `10.0.${i >> 8}.${i & 255}`),
  MX: Array.from({ length: size / 50 }, (_, i) => ({
    exchange: `${'x'.repeat(40)}${i}.example`,
    priority: i,
  })),
  PTR: Array.from({ length: size / 50 }, (_, i) => `${'x'.repeat(40)}${i}.example`),
  TXT: txt('x'.repeat(size)),
};
const foreign: Readonly<Record<Type, Answer>> = {
  A: ['١٩٢.0.2.1'],
  MX: [{ exchange: 'mx.exämple', priority: 10 }],
  PTR: ['exämple', '\ufffd.example'],
  TXT: txt('nur für Sie \ufffd'),
};
const hostile = ')"; spf=pass\r\nX-Forged: yes\0';
const control: Readonly<Record<Type, Answer>> = {
  A: [hostile],
  MX: [{ exchange: `${hostile}.example`, priority: 10 }],
  PTR: [`${hostile}.example`],
  TXT: txt(hostile),
};
const nothing: Readonly<Record<Type, Answer>> = {
  A: [''],
  MX: [{ exchange: '', priority: 0 }],
  PTR: [''],
  TXT: [[], ['']],
};

/** What may stand in the place of an answer; undefined: there is no such name. */
const kinds = {
  'as it should be': ({ type, answer }) => new Map([[type, answer]]),
  NXDOMAIN: () => undefined,
  NODATA: () => new Map(),
  SERVFAIL: ({ type }) => new Map([[type, 'ESERVFAIL']]),
  'a timeout': ({ type }) => new Map([[type, 'ETIMEOUT']]),
  'a loop of aliases': ({ name }) => new Map([['CNAME', [name]]]),
  'an alias of nothing': () => new Map([['CNAME', ['no.example']]]),
  'nothing in it': ({ type }) => new Map([[type, nothing[type]]]),
  '70 kB': ({ type }) => new Map([[type, long[type]]]),
  'non-ASCII': ({ type }) => new Map([[type, foreign[type]]]),
  'control characters': ({ type }) => new Map([[type, control[type]]]),
  // Of texts alone: what begins well, and what there is twice.
  '70 kB behind its beginning': (subject) => changed(subject, (text) => `${text} ; ${'x'.repeat(size)}`),
  'non-ASCII behind its beginning': (subject) => changed(subject, (text) => `${text} ü=ü\ufffd`),
  'control characters behind its beginning': (subject) => changed(subject, (text) => `${text} ${hostile}`),
  'only half of it': (subject) => changed(subject, (text) => text.slice(0, text.length / 2)),
  'the same twice': ({ type, answer }) => new Map([[type, [...answer, ...answer] as Answer]]),
} as const satisfies Record<string, (subject: Subject) => ZoneRecords | undefined>;

const groups: readonly (readonly (keyof typeof kinds)[])[] = [
  ['as it should be'],
  ['NXDOMAIN', 'NODATA', 'an alias of nothing'],
  ['SERVFAIL', 'a timeout', 'a loop of aliases'],
  ['nothing in it'],
  ['70 kB'],
  ['non-ASCII'],
  ['control characters'],
  ['the same twice'],
  ['only half of it'],
  ['70 kB behind its beginning'],
  ['non-ASCII behind its beginning', 'control characters behind its beginning'],
];

/** The values for each of the groups; those of texts alone are missing where the answer is none. */
// biome-ignore format: a table
const expected: Readonly<Record<string, string>> = {
  //                                   good      missing   trouble   nothing   70kB      foreign   control   twice     half      long      garbled
  'iprev: the names':                 'pass      permerror temperror permerror fail      fail      fail      pass',
  'iprev: the address of a name':     'pass      fail      temperror fail      fail      fail      fail      pass',
  'x-ptr: the names':                 'pass      fail      temperror fail      fail      fail      fail      pass',
  'x-ptr: the address of a name':     'pass      fail      temperror fail      fail      fail      fail      pass',
  'spf: the record':                  'pass      none      temperror none      none      none      none      permerror permerror permerror permerror',
  'spf: an included record':          'pass      permerror temperror permerror permerror permerror permerror permerror permerror permerror permerror',
  'spf: an address':                  'pass      fail      temperror temperror fail      temperror temperror pass',
  'spf: exchanges':                   'pass      fail      temperror fail      permerror fail      fail      pass',
  'spf: the names of the client':     'pass      fail      fail      fail      fail      fail      fail      pass',
  'dkim: the key':                    'pass      neutral   temperror neutral   neutral   neutral   neutral   pass      neutral   neutral   neutral',
  'x-google-dkim: the key':           'pass      neutral   temperror neutral   neutral   neutral   neutral   pass      neutral   neutral   neutral',
  'arc: the key':                     'pass      fail      fail      fail      fail      fail      fail      pass      fail      fail      fail',
  'dmarc: the record':                'pass      none      temperror none      none      none      none      none      none      pass      none',
  'bimi: the record':                 'pass      none      temperror none      none      none      none      fail      pass      pass      fail',
  'x-return-mx: exchanges':           'pass      fail      temperror fail      pass      pass      pass      pass',
  'x-return-mx: the organisation':    'pass      fail      temperror fail      fail      fail      fail      fail      pass      pass      pass',
  'x-aligned-from: the organisation': 'pass      fail      temperror fail      fail      fail      fail      fail      pass      pass      pass',
  'dnswl: the listing':               'pass      none      temperror none      none      none      none      pass',
  'dnswl: the test entry':            'permerror pass      pass      pass      pass      pass      pass      permerror',
  'dnsbl: the listing':               'fail      none      temperror none      none      none      none      fail',
};

function changed({ type, answer }: Subject, change: (text: string) => string): ZoneRecords {
  return new Map([[type, type === 'TXT' ? txt(change(String(answer[0]))) : answer]]);
}

const key = makeKey('example.com', 's1', 'ed25519');
const signed = await sign(plain, key);
const googleSignature = { field: 'X-Google-DKIM-Signature', algorithm: 'ed25519-sha256' } as const;
const google = signField(plain, key, googleSignature);
const sealed = await seal(plain, key, 'mx.example.com; dmarc=pass header.from=example.com');
const reverse = '10.2.0.192.in-addr.arpa';
const clientName: Readonly<Record<string, ZoneRecords>> = {
  'client.example.com': new Map([['A', ['192.0.2.10']]]),
};
const clientAddress: Readonly<Record<string, ZoneRecords>> = {
  [reverse]: new Map([['PTR', ['client.example.com']]]),
};
const spf: Readonly<Record<string, ZoneRecords>> = {
  'example.com': new Map([['TXT', txt('v=spf1 ip4:192.0.2.10 -all')]]),
};
const dmarc = txt('v=DMARC1; p=reject');
const policy: Readonly<Record<string, ZoneRecords>> = { '_dmarc.example.com': new Map([['TXT', dmarc]]) };
const listed = `10.2.0.192.list.example`;
const onList: Readonly<Record<string, ZoneRecords>> = { [listed]: new Map([['A', ['127.0.0.2']]]) };
const lists = { zones: [{ zone: 'list.example', field: 'X-List' }] };

const subjects: readonly Subject[] = [
  {
    what: 'iprev: the names',
    name: reverse,
    type: 'PTR',
    answer: ['client.example.com'],
    others: clientName,
    given: { checks: only('iprev') },
  },
  {
    what: 'iprev: the address of a name',
    name: 'client.example.com',
    type: 'A',
    answer: ['192.0.2.10'],
    others: clientAddress,
    given: { checks: only('iprev') },
  },
  {
    what: 'x-ptr: the names',
    name: reverse,
    type: 'PTR',
    answer: ['client.example.com'],
    others: clientName,
    given: { checks: only('x-ptr') },
  },
  {
    what: 'x-ptr: the address of a name',
    name: 'client.example.com',
    type: 'A',
    answer: ['192.0.2.10'],
    others: clientAddress,
    given: { checks: only('x-ptr') },
  },
  {
    what: 'spf: the record',
    name: 'example.com',
    type: 'TXT',
    answer: txt('v=spf1 ip4:192.0.2.10 -all'),
    given: { checks: only('spf') },
  },
  {
    what: 'spf: an included record',
    name: 'inc.example',
    type: 'TXT',
    answer: txt('v=spf1 ip4:192.0.2.10 -all'),
    others: { 'example.com': new Map([['TXT', txt('v=spf1 include:inc.example -all')]]) },
    given: { checks: only('spf') },
  },
  {
    what: 'spf: an address',
    name: 'a.example',
    type: 'A',
    answer: ['192.0.2.10'],
    others: { 'example.com': new Map([['TXT', txt('v=spf1 a:a.example -all')]]) },
    given: { checks: only('spf') },
  },
  {
    what: 'spf: exchanges',
    name: 'm.example',
    type: 'MX',
    answer: [{ exchange: 'client.example.com', priority: 1 }],
    others: { ...clientName, 'example.com': new Map([['TXT', txt('v=spf1 mx:m.example -all')]]) },
    given: { checks: only('spf') },
  },
  {
    what: 'spf: the names of the client',
    name: reverse,
    type: 'PTR',
    answer: ['client.example.com'],
    others: { ...clientName, 'example.com': new Map([['TXT', txt('v=spf1 ptr -all')]]) },
    given: { checks: only('spf') },
  },
  {
    what: 'dkim: the key',
    name: key.recordName,
    type: 'TXT',
    answer: txt(key.record),
    given: { message: signed, checks: only('dkim') },
  },
  {
    what: 'x-google-dkim: the key',
    name: key.recordName,
    type: 'TXT',
    answer: txt(key.record),
    given: { message: google, checks: only('x-google-dkim') },
  },
  {
    what: 'arc: the key',
    name: key.recordName,
    type: 'TXT',
    answer: txt(key.record),
    given: { message: sealed, checks: only('arc') },
  },
  {
    what: 'dmarc: the record',
    name: '_dmarc.example.com',
    type: 'TXT',
    answer: dmarc,
    others: spf,
    given: { checks: { ...only('dmarc'), spf: {} } },
  },
  {
    what: 'bimi: the record',
    name: 'default._bimi.example.com',
    type: 'TXT',
    answer: txt('v=BIMI1; l=https://example.com/logo.svg; a='),
    others: { ...spf, ...policy },
    given: { checks: { ...only('bimi'), spf: {}, dmarc: {} } },
  },
  {
    what: 'x-return-mx: exchanges',
    name: 'example.com',
    type: 'MX',
    answer: [{ exchange: 'mx.example', priority: 1 }],
    given: { checks: only('x-return-mx') },
  },
  {
    what: 'x-return-mx: the organisation',
    name: '_dmarc.example.com',
    type: 'TXT',
    answer: dmarc,
    others: { 'example.com': new Map([['MX', [{ exchange: 'mx.example', priority: 1 }]]]) },
    given: {
      from: '',
      message: plain.replace('@example.com', '@news.example.com'),
      checks: only('x-return-mx'),
    },
  },
  {
    what: 'x-aligned-from: the organisation',
    name: '_dmarc.example.com',
    type: 'TXT',
    answer: dmarc,
    given: { from: 'bounce@mail.example.com', checks: only('x-aligned-from') },
  },
  {
    what: 'dnswl: the listing',
    name: listed,
    type: 'A',
    answer: ['127.0.0.2'],
    given: { checks: only('dnswl', lists) },
  },
  {
    what: 'dnswl: the test entry',
    name: '1.0.0.127.list.example',
    type: 'A',
    answer: ['127.0.0.2'],
    others: onList,
    given: { checks: only('dnswl', lists) },
  },
  {
    what: 'dnsbl: the listing',
    name: listed,
    type: 'A',
    answer: ['127.0.0.2'],
    given: { checks: only('dnsbl', lists) },
  },
];

for (const subject of subjects) {
  const [check = ''] = subject.what.split(':');
  const wanted = (expected[subject.what] ?? '').split(/ +/);
  test(`${subject.what}: whatever stands in its place has a defined result`, async () => {
    assert.equal(wanted.length, subject.type === 'TXT' ? 11 : 8);
    for (const [i, value] of wanted.entries()) {
      for (const kind of groups[i] ?? []) {
        const records = kinds[kind](subject);
        const own = records ? [[subject.name, records] as const] : [];
        const zone: Zone = new Map([...Object.entries(subject.others ?? {}), ...own]);
        const outcome = await judge({
          ...subject.given,
          options: { resolver: zoneResolver({}, { zone }), explain: true },
        });
        assert.deepEqual(
          values(outcome).filter((each) => each.startsWith(`${check}=`)),
          [`${check}=${value}`],
          kind,
        );
        const questions = outcome.explanation?.flatMap((each) => each.questions) ?? [];
        assert.ok(questions.length <= mostQuestions, `${kind}: asked ${questions.length}`);
        for (const line of outcome.fields.join('').split('\r\n')) {
          assert.match(line, /^[\t\x20-\x7e]{0,998}$/, kind);
          assert.doesNotMatch(line, /^X-Forged/, kind);
        }
      }
    }
  });
}

test('where DNS is silent, each check has its result as soon as the time for DNS is over', async () => {
  await using server = await NameServer.start();
  server.hold();
  const options = { servers: [server.address], zoneOnly: false, timeoutMs: 60_000, transactionMs: 100 };
  const resolver = zoneResolver({}, options);
  const google = signField(signed.toString('latin1'), key, googleSignature);
  const message = await seal(google, key, 'mx.example.com; dmarc=pass header.from=example.com');
  const off = ['x-ptr', 'x-google-dkim', 'bimi', 'x-return-mx', 'x-aligned-from'];
  const checks = { ...Object.fromEntries(off.map((name) => [name, {}])), dnswl: lists, dnsbl: lists };
  const outcome = await judge({ message, checks, from: 'a@other.example', options: { resolver } });
  assert.deepEqual(values(outcome), [
    'iprev=temperror',
    'x-ptr=temperror',
    'spf=temperror',
    'dkim=temperror',
    'x-google-dkim=temperror',
    // RFC 8617 §5.2.1
    'arc=fail',
    'dmarc=temperror',
    'bimi=skipped',
    'x-return-mx=temperror',
    'x-return-mx=temperror',
    'x-aligned-from=temperror',
    'dnswl=temperror',
    'dnsbl=temperror',
  ]);
  resolver.close();
});
