// Tests of capturing and parsing the header section.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  countReceived,
  HeaderCollector,
  maxFields,
  parseHeaderSection,
} from '../../src/message/header-section.ts';

function collect(message: string, chunkBytes = Number.POSITIVE_INFINITY, limit = 100_000): HeaderCollector {
  const collector = new HeaderCollector(limit);
  const bytes = Buffer.from(message, 'latin1');
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    collector.push(bytes.subarray(start, start + chunkBytes));
  }
  return collector;
}

const situations = [
  { what: 'header and body', message: 'A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n', size: 12, complete: true },
  { what: 'no header', message: '\r\nbody\r\n', size: 0, complete: true },
  { what: 'no header, bare LF', message: '\nbody\r\n', size: 0, complete: true },
  { what: 'header only', message: 'A: 1\r\n', size: 6, complete: false },
  { what: 'header and empty line only', message: 'A: 1\r\n\r\n', size: 6, complete: true },
  { what: 'nothing', message: '', size: 0, complete: false },
  { what: 'bare LF', message: 'A: 1\nB: 2\n\nbody', size: 10, complete: true },
  { what: 'CRLF then LF', message: 'A: 1\r\n\nbody', size: 6, complete: true },
  { what: 'LF then CRLF', message: 'A: 1\n\r\nbody', size: 5, complete: true },
  {
    what: 'CR CR LF, which is no empty line',
    message: 'A: 1\r\n\r\r\nB: 2\r\n\r\n',
    size: 15,
    complete: true,
  },
  { what: 'CR at the start of a field', message: 'A: 1\r\n\rB: 2\r\n\r\n', size: 13, complete: true },
  { what: 'NUL and 8-bit bytes', message: 'A: \0\xff\r\n\xe4: 2\r\n\r\n\0', size: 13, complete: true },
  { what: 'a line of white space', message: 'A: 1\r\n \r\nB: 2\r\n\r\n', size: 15, complete: true },
];

for (const { what, message, size, complete } of situations) {
  test(`the section ends where it should, however chunks are cut: ${what}`, () => {
    for (let chunkBytes = 1; chunkBytes <= message.length + 1; chunkBytes += 1) {
      const collector = collect(message, chunkBytes);
      const section = collector.section();
      assert.equal(collector.complete, complete);
      assert.equal(collector.overLimit, undefined);
      assert.equal(section.sizeBytes, size);
      const raw = Buffer.concat(section.fields.map((field) => field.raw)).toString('latin1');
      assert.equal(raw, message.slice(0, size));
    }
  });
}

test('a section as large as the limit is complete, one byte more is over the limit', () => {
  const message = 'A: 1\r\nB: 2\r\n\r\nbody';
  for (let chunkBytes = 1; chunkBytes <= message.length; chunkBytes += 1) {
    const exact = collect(message, chunkBytes, 12);
    assert.deepEqual([exact.complete, exact.overLimit, exact.section().sizeBytes], [true, undefined, 12]);
    const over = collect(message, chunkBytes, 11);
    assert.deepEqual([over.complete, over.overLimit, over.section().sizeBytes], [false, '11 bytes', 11]);
  }
});

for (const [what, line] of [
  ['fields', 'A:\r\n'],
  ['folded fields', 'A: b\r\n c\r\n\td\r\n'],
  ['fields with bare LF', 'A:\n'],
  ['lines that are no field', 'x\r\n'],
  ['lines that begin with CR', '\r \r\n'],
] as const) {
  test(`there may be ${maxFields} ${what}, and one more is over the limit, however chunks are cut`, () => {
    for (const chunkBytes of [1, 7, 1000, Number.POSITIVE_INFINITY]) {
      const most = collect(`${line.repeat(maxFields)}\r\nbody`, chunkBytes, 1_000_000);
      assert.deepEqual([most.complete, most.overLimit], [true, undefined]);
      assert.equal(most.section().fields.length, maxFields);
      const over = collect(`${line.repeat(maxFields + 1)}\r\nbody`, chunkBytes, 1_000_000);
      assert.deepEqual([over.complete, over.overLimit], [false, '10000 fields']);
    }
  });
}

test('a megabyte of header byte by byte takes no more than linear time', () => {
  const message = `A: ${'x'.repeat(1_000_000)}\r\n\r\n`;
  const section = collect(message, 1, 2_000_000).section();
  assert.equal(section.sizeBytes, message.length - 2);
  assert.equal(section.fields[0]?.name, 'A');
});

test('fields are cut with their folding, names come as sent', () => {
  const section = parseHeaderSection(
    Buffer.from('SUBJECT: a\r\n b\r\n\tc\r\nx-Y \t: 2\r\nLast: no line end', 'latin1'),
  );
  assert.deepEqual(
    section.fields.map((field) => [field.name, field.raw.toString('latin1')]),
    [
      ['SUBJECT', 'SUBJECT: a\r\n b\r\n\tc\r\n'],
      ['x-Y', 'x-Y \t: 2\r\n'],
      ['Last', 'Last: no line end'],
    ],
  );
});

test('lines that are no field have no name', () => {
  const section = parseHeaderSection(
    Buffer.from(
      'From me Thu Jan 1\r\n: no name\r\nM\xfcll: x\r\n two words: x\r\nA B: x\r\nplain\r\n',
      'latin1',
    ),
  );
  assert.deepEqual(
    section.fields.map((field) => field.name),
    ['', '', '', '', ''],
  );
});

test('a folded first line is a field without name', () => {
  const section = parseHeaderSection(Buffer.from(' folded\r\nA: 1\r\n'));
  assert.deepEqual(
    section.fields.map((field) => [field.name, field.raw.toString()]),
    [
      ['', ' folded\r\n'],
      ['A', 'A: 1\r\n'],
    ],
  );
});

test('Received fields are counted whatever their case', () => {
  const section = parseHeaderSection(
    Buffer.from('Received: a\r\nRECEIVED : b\r\nReceived-SPF: c\r\nX: Received: d\r\n'),
  );
  assert.equal(countReceived(section), 2);
});
