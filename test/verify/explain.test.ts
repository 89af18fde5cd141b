// The reasoning as text: readable in 100 columns, and harmless for a terminal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askedAhead, type CheckExplanation } from '../../src/authentication/story/explanation.ts';
import { toPlain } from '../../src/authentication/story/plain.ts';
import { printable, printableJson, wrap } from '../../src/printable.ts';
import { explain } from '../../src/verify/explain.ts';

function told(changes: Partial<CheckExplanation>): string[] {
  return explain([{ check: 'spf', questions: [], facts: [], results: [], ...changes }]);
}

test('questions are told with their answers and times', () => {
  const question = { name: 'example.com', startMilliseconds: 3, milliseconds: 1.5 };
  const questions = [
    { ...question, type: 'TXT', answer: [['v=spf1 ', '-all'], ['other']] },
    { ...question, type: 'MX', answer: [{ exchange: 'mx.example.com', priority: 10 }] },
    { ...question, type: 'A', answer: ['192.0.2.1'] },
    { ...question, type: 'AAAA', failure: 'ESERVFAIL' },
    { ...question, type: 'PTR', failure: 'EODD' },
  ];
  assert.deepEqual(told({ questions }), [
    '',
    'spf',
    '  asked TXT example.com (at 3 ms, took 1.5 ms)',
    '    "v=spf1 -all"',
    '    "other"',
    '  asked MX example.com (at 3 ms, took 1.5 ms)',
    '    10 mx.example.com',
    '  asked A example.com (at 3 ms, took 1.5 ms)',
    '    192.0.2.1',
    '  asked AAAA example.com (at 3 ms, took 1.5 ms)',
    '    the name server failed (SERVFAIL)',
    '  asked PTR example.com (at 3 ms, took 1.5 ms)',
    '    EODD',
  ]);
});

test('facts are told with their parts below them', () => {
  const value = toPlain({
    d: 'example.com',
    bodyHash: 'x',
    pH: 7,
    keys: ['a', 'b'],
    sets: [{ i: 1, cv: 'none' }, { i: 2 }],
    no: [],
  });
  const facts = [
    { fact: 'mechanism', value: '-all' },
    { fact: 'nothing', value: null },
    { fact: 'signature', value },
  ];
  assert.deepEqual(told({ facts }).slice(2), [
    '  mechanism: -all',
    '  nothing: none',
    '  signature:',
    '    d: example.com',
    '    body hash: x',
    '    pH: 7',
    '    keys:',
    '      - a',
    '      - b',
    '    sets:',
    '      - i: 1',
    '        cv: none',
    '      - i: 2',
    '    no: none',
  ]);
});

test('results, what is left out, and checks that do not apply are told', () => {
  const properties = [{ ptype: 'smtp', property: 'mailfrom', value: 'a@example.com', comment: 'note' }];
  const result = { method: 'spf', value: 'fail', comment: 'why', reason: 'so', properties } as const;
  const skipped = { questions: [], facts: [], results: [], skippedFor: 'unknown' } as const;
  const lines = explain([
    { check: 'dkim', questions: [], facts: [], results: [result], omitted: 3 },
    { check: 'arc', questions: [], facts: [], results: [] },
    { check: 'spf', ...skipped },
    { check: 'iprev', ...skipped },
  ]);
  assert.deepEqual(lines, [
    '',
    'dkim',
    '  ... and 3 more questions and facts',
    '  => spf=fail (why) reason="so" smtp.mailfrom=a@example.com (note)',
    '',
    'arc',
    '  nothing to say',
    '',
    'skipped: spf, iprev: not for a client of class unknown',
  ]);
});

test('an answer that a check heard again is told there, and only the time of the first question here', () => {
  const question = { name: 's._domainkey.example.com', type: 'TXT', answer: [['v=DKIM1']] };
  const rest = { facts: [], results: [] };
  const lines = explain([
    {
      check: askedAhead,
      questions: [
        { ...question, startMilliseconds: 2, milliseconds: 12 },
        { ...question, name: 'other', startMilliseconds: 2.1, milliseconds: 13 },
      ],
      ...rest,
    },
    { check: 'dkim', questions: [{ ...question, startMilliseconds: 14, milliseconds: 0.1 }], ...rest },
  ]);
  assert.deepEqual(lines, [
    '',
    'asked ahead, while the message arrived',
    '  asked TXT s._domainkey.example.com (at 2 ms, took 12 ms)',
    '  asked TXT other (at 2.1 ms, took 13 ms)',
    '    "v=DKIM1"',
    '',
    'dkim',
    '  asked TXT s._domainkey.example.com (at 14 ms, took 0.1 ms)',
    '    "v=DKIM1"',
  ]);
});

test('no line is wider than 100 columns, and none of a text is lost', () => {
  const long = `v=DKIM1; k=rsa; p=${'ABCDEFGH'.repeat(100)} and ${'short words '.repeat(30)}`;
  const lines = told({ facts: [{ fact: 'record', value: long }] });
  assert.ok(lines.every((line) => line.length <= 100));
  assert.equal(lines.slice(2).join('').replace(/\s/g, ''), `record:${long}`.replace(/\s/g, ''));
});

test('a label that is wider than a line, and texts of many words, end', () => {
  assert.ok(wrap('x'.repeat(300), 'word '.repeat(500), 100).every((line) => line.length <= 100));
  assert.deepEqual(wrap('', '', 100), []);
});

test('what strangers wrote cannot drive a terminal, in facts, names, answers and results', () => {
  const evil = '\x1b[2J\x9b31m\r\n\x07\u202eevil\u2028\x7f\ud800';
  const lines = told({
    questions: [{ name: evil, type: 'TXT', startMilliseconds: 0, milliseconds: 1, answer: [[evil]] }],
    facts: [{ fact: evil, value: { [evil]: [evil, { [evil]: evil }] } }],
    results: [{ method: 'spf', value: 'fail', reason: evil, properties: [] }],
  });
  assert.ok(lines.length >= 7);
  for (const line of lines) assert.match(line, /^[\x20-\x7e\ufffd]*$/);
  assert.ok(lines.join('').includes('\\x1b[2J\\x9b31m\\x0d\\x0a\\x07\\u202eevil\\u2028\\x7f'));
});

test('text of other languages stays readable', () => {
  assert.equal(printable('Grüße, 你好, שלום\t!'), 'Grüße, 你好, שלום\t!');
});

test('JSON holds the same text, with nothing that a terminal could obey', () => {
  const value = { '\x9b': 'a\x1b[2J\x9b\u202e\u2028\x7fü' };
  const text = printableJson(value);
  assert.match(text, /^[\x20-\x7eü]*$/);
  assert.deepEqual(JSON.parse(text), value);
});
