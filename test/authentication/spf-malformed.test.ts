// SPF records of strangers who mean no good, or can't write: each has its result, and a bounded number of questions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judge, values } from './judge.ts';
import { only, wayOf } from './only.ts';

const record = (...TXT: string[]) => ({ 'example.com': { TXT } });
const numbered = (count: number, of: (i: number) => object) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => of(i)).flatMap(Object.entries));

/** Of one evaluation: the record, ten terms, and ten names for each of them (RFC 7208 §4.6.4). */
const mostQuestions = 111;

const cases: readonly (readonly [what: string, zone: unknown, value: string, questions: number])[] = [
  ['NXDOMAIN', {}, 'none', 1],
  ['NODATA', { 'example.com': { A: ['192.0.2.1'] } }, 'none', 1],
  ['SERVFAIL', { 'example.com': { TXT: 'SERVFAIL' } }, 'temperror', 1],
  ['a timeout', { 'example.com': { TXT: 'TIMEOUT' } }, 'temperror', 1],
  [
    'a loop of aliases',
    { 'example.com': { CNAME: ['a.example'] }, 'a.example': { CNAME: ['example.com'] } },
    'temperror',
    1,
  ],
  ['an empty text', record(''), 'none', 1],
  ['an empty record', record('v=spf1'), 'neutral', 1],
  ['blanks after the version', record('v=spf1     '), 'neutral', 1],
  ['a blank before the version', record(' v=spf1 -all'), 'none', 1],
  ['another version', record('v=spf10 -all'), 'none', 1],
  ['Sender ID', record('spf2.0/mfrom -all'), 'none', 1],
  ['two records', record('v=spf1 -all', 'v=spf1 +all'), 'permerror', 1],
  ['70 kB of networks', record(`v=spf1 ${'ip4:198.51.100.0/24 '.repeat(3500)}+all`), 'permerror', 1],
  ['70 kB without a blank', record(`v=spf1 ${'a'.repeat(70_000)}`), 'permerror', 1],
  ['70 kB that are no record', record('x'.repeat(70_000), 'v=spf1 -all'), 'fail', 1],
  ['non-ASCII', record('v=spf1 include:bücher.example -all'), 'permerror', 1],
  ['a control character', record('v=spf1 ip4:192.0.2.10\r\n -all'), 'permerror', 1],
  ['a tab', record('v=spf1 ip4:192.0.2.10\t-all'), 'permerror', 1],
  ['an unknown mechanism', record('v=spf1 ipv4:192.0.2.10 -all'), 'permerror', 1],
  ['an unknown mechanism behind one that matches', record('v=spf1 +all nonsense'), 'permerror', 1],
  ['an unknown modifier', record('v=spf1 moo=%{d} ip4:192.0.2.10 -all'), 'pass', 1],
  ['an octet of 256', record('v=spf1 ip4:192.0.2.256 -all'), 'permerror', 1],
  ['a network of 33 bits', record('v=spf1 ip4:192.0.2.0/33 -all'), 'permerror', 1],
  ['IPv6 in ip4', record('v=spf1 ip4:2001:db8::1 -all'), 'permerror', 1],
  ['an empty include', record('v=spf1 include: -all'), 'permerror', 1],
  ['two redirects', record('v=spf1 redirect=a.example redirect=b.example'), 'permerror', 1],
  ['an include of nothing', record('v=spf1 include:no.example -all'), 'permerror', 2],
  [
    'an include that is not there now',
    { ...record('v=spf1 include:x.example'), 'x.example': { TXT: 'SERVFAIL' } },
    'temperror',
    2,
  ],
  ['a redirect to nothing', record('v=spf1 redirect=no.example'), 'permerror', 2],
  ['an include of itself', record('v=spf1 include:example.com -all'), 'permerror', 1],
  ['a redirect to itself', record('v=spf1 redirect=example.com'), 'permerror', 1],
  [
    'an include loop over two names',
    { ...record('v=spf1 include:x.example -all'), 'x.example': { TXT: ['v=spf1 include:example.com -all'] } },
    'permerror',
    2,
  ],
  [
    'a chain of twenty includes',
    {
      ...record('v=spf1 include:n0.example -all'),
      ...numbered(20, (i) => ({ [`n${i}.example`]: { TXT: [`v=spf1 include:n${i + 1}.example`] } })),
    },
    'permerror',
    11,
  ],
  ['two void lookups', record('v=spf1 a:1.example mx:2.example -all'), 'fail', 3],
  ['three void lookups', record('v=spf1 a:1.example mx:2.example exists:3.example -all'), 'permerror', 4],
  [
    'ten lookups',
    {
      ...record(`v=spf1 ${Array.from({ length: 10 }, (_, i) => `a:${i}.example`).join(' ')} -all`),
      ...numbered(10, (i) => ({ [`${i}.example`]: { A: ['198.51.100.1'] } })),
    },
    'fail',
    11,
  ],
  [
    'eleven lookups',
    {
      ...record(`v=spf1 ${Array.from({ length: 11 }, (_, i) => `a:${i}.example`).join(' ')} -all`),
      ...numbered(11, (i) => ({ [`${i}.example`]: { A: ['198.51.100.1'] } })),
    },
    'permerror',
    11,
  ],
  [
    'a thousand terms that ask',
    record(`v=spf1 ${Array.from({ length: 1000 }, (_, i) => `a:${i}.example`).join(' ')}`),
    'permerror',
    4,
  ],
  [
    'ten MX terms of ten hosts each',
    {
      ...record(`v=spf1 ${Array.from({ length: 10 }, (_, i) => `mx:m${i}.example`).join(' ')} -all`),
      ...numbered(10, (i) => ({
        [`m${i}.example`]: { MX: Array.from({ length: 10 }, (_, j) => `1 h${i}-${j}.example`) },
      })),
      ...numbered(100, (i) => ({ [`h${Math.floor(i / 10)}-${i % 10}.example`]: { A: ['198.51.100.1'] } })),
    },
    'fail',
    mostQuestions,
  ],
  [
    'eleven MX hosts',
    {
      'example.com': { TXT: ['v=spf1 mx -all'], MX: Array.from({ length: 11 }, (_, i) => `1 h${i}.example`) },
      ...numbered(11, (i) => ({ [`h${i}.example`]: { A: ['198.51.100.1'] } })),
    },
    'permerror',
    12,
  ],
  [
    'an MX that is an address, or a single label, beside one that matches',
    {
      'example.com': { TXT: ['v=spf1 mx -all'], MX: ['1 192.0.2.1', '2 localhost', '3 mx.example'] },
      'mx.example': { A: ['192.0.2.10'] },
    },
    'pass',
    3,
  ],
  [
    'an MX that is an address, and no other',
    { 'example.com': { TXT: ['v=spf1 mx ~all'], MX: ['1 192.0.2.10'] } },
    'softfail',
    2,
  ],
  ['a null MX', { 'example.com': { TXT: ['v=spf1 mx ~all'], MX: ['0 .'] } }, 'softfail', 2],
  [
    'a hundred names of the client',
    {
      ...record('v=spf1 ptr ptr:a.example ptr:b.example -all'),
      '10.2.0.192.in-addr.arpa': { PTR: Array.from({ length: 100 }, (_, i) => `n${i}.example`) },
    },
    'fail',
    12,
  ],
  ['an unknown macro', record('v=spf1 exists:%{x}.example -all'), 'permerror', 1],
  ['a macro without its end', record('v=spf1 exists:%{d -all'), 'permerror', 1],
  ['a lone per cent sign', record('v=spf1 exists:%d.example -all'), 'permerror', 1],
  [
    'a macro that expands to a long name',
    record(`v=spf1 exists:${'%{d}.'.repeat(100)}example -all`),
    'fail',
    2,
  ],
  ['a macro bomb', record(`v=spf1 exists:${'%{s}'.repeat(16_000)}.example -all`), 'permerror', 1],
  ['a label of 64 octets', record(`v=spf1 a:${'a'.repeat(64)}.example -all`), 'fail', 1],
  ['macros that make a name that cannot be', record('v=spf1 exists:%{l}..%{d} a:%{h} -all'), 'fail', 2],
  [
    'macros in a chain of long records',
    {
      ...record('v=spf1 include:n0.example -all'),
      ...numbered(10, (i) => ({
        [`n${i}.example`]: {
          TXT: [`v=spf1 ${`exists:${'%{s}'.repeat(16)}..x.example `.repeat(50)}include:n${i + 1}.example`],
        },
      })),
    },
    'permerror',
    5,
  ],
];

for (const [what, zone, value, questions] of cases) {
  test(`spf: ${what} is ${value}, after ${questions} question${questions > 1 ? 's' : ''} at most`, async () => {
    const outcome = await judge({ zone, checks: only('spf'), options: { explain: true } });
    assert.deepEqual(values(outcome), [`spf=${value}`]);
    const way = wayOf(outcome, 'spf');
    assert.ok(
      way.questions.length <= questions,
      `asked ${way.questions.length}: ${way.questions.slice(0, 20)}`,
    );
    // Whatever the record holds, the header has lines that mail can carry.
    for (const line of outcome.fields.join('').split('\r\n')) assert.match(line, /^[\x20-\x7e]{0,998}$/);
  });
}

const words = fc.constantFrom(
  ...[
    'v=spf1',
    'include:',
    'redirect=',
    'exp=',
    'a:',
    'mx',
    'ptr',
    'exists:',
    'ip4:',
    'ip6:',
    'all',
    'example.com',
  ],
  ...[
    '%{s}',
    '%{l1r-}',
    '%{ir}',
    '%{p}',
    '%',
    '/24',
    '//64',
    '+',
    '-',
    '~',
    '?',
    '.',
    ' ',
    '  ',
    'x.example',
    '192.0.2.10',
  ],
);

test('spf: whatever a record is made of, it has a result of RFC 7208 after a bounded number of questions', async () => {
  const text = fc.array(fc.oneof({ weight: 9, arbitrary: words }, fc.string({ maxLength: 8 })), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(text, text, async (first, second) => {
      const zone = {
        'example.com': { TXT: [`v=spf1 ${first.join('')}`], A: ['198.51.100.1'], MX: ['1 x.example'] },
        'x.example': { TXT: [`v=spf1 ${second.join('')}`], A: ['192.0.2.10'] },
      };
      const outcome = await judge({ zone, checks: only('spf'), options: { explain: true } });
      assert.match(values(outcome).join(), /^spf=(?:none|neutral|pass|fail|softfail|temperror|permerror)$/);
      const { questions, facts } = wayOf(outcome, 'spf');
      assert.ok(questions.length <= mostQuestions);
      const decided = /=(?:neutral|pass|fail|softfail)$/.test(values(outcome).join());
      assert.equal('mechanism that matched' in facts, decided);
    }),
    { numRuns: 300 },
  );
});

test('spf: the worst record of all costs little time', async () => {
  const zone = cases.find(([what]) => what === 'macros in a chain of long records')?.[1];
  const cpu = async (given: unknown, from?: string) => {
    await judge({ zone: given, checks: only('spf'), ...(from && { from }) });
    const before = process.cpuUsage();
    for (let i = 0; i < 5; i++) await judge({ zone: given, checks: only('spf'), ...(from && { from }) });
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 5000;
  };
  const worst = await cpu(zone, `${'a.'.repeat(120)}a@example.com`);
  // Milliseconds; without a limit of the records' size it is some hundred.
  assert.ok(worst < 100, `${worst} ms`);
});
