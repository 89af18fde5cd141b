// What makes a message list mail: List-Id, List-Post, and Precedence in all spellings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isListMail } from '../../src/authentication/dmarc/mailing-list.ts';
import { parseHeaderSection } from '../../src/message/header-section.ts';

const isList = (header: string) => isListMail(parseHeaderSection(Buffer.from(header, 'latin1')).fields);

const lists = [
  'List-Id: <bees.lists.example>\r\n',
  'Subject: x\r\nLIST-ID: Bees\r\n <bees.lists.example>\r\n',
  'List-Post: <mailto:bees@lists.example>\r\n',
  'List-Post: NO (posting not allowed on this list)\r\n',
  'Precedence: list\r\n',
  'PRECEDENCE \t:LIST',
  'Precedence:\r\n\tlist \r\n \r\n',
  'Precedence: (from\r\n (a) list\\)) list (it is)\r\n',
  `Precedence:${'\r\n '.repeat(1000)}list${' (x)'.repeat(1000)}\r\n`,
];
for (const header of lists) {
  test(`list mail: ${JSON.stringify(header).slice(0, 80)}`, () => assert.equal(isList(header), true));
}

const others = [
  '',
  'Subject: x\r\n',
  'Precedence: bulk\r\n',
  'Precedence: lists\r\n',
  'Precedence: list bulk\r\n',
  'Precedence: (list)\r\n',
  'Precedence: list (unclosed\r\n',
  'Precedence:\r\n',
  'Precedence: "list"\r\n',
  'X-Precedence: list\r\n',
  'List-Unsubscribe: <mailto:leave@shop.example>\r\n',
  'List-Help: x\r\n',
  'Subject: x\r\n Precedence: list\r\n',
  `Precedence: list${' '.repeat(300)}x\r\n`,
];
for (const header of others) {
  test(`no list mail: ${JSON.stringify(header).slice(0, 80)}`, () => assert.equal(isList(header), false));
}

test('a field of any bytes is read in a time that grows with its length, not faster', () => {
  for (const piece of ['(', '()', ' ', '\r\n ', 'list', '(\\', '\\', '"']) {
    const begun = process.cpuUsage();
    assert.equal(isList(`Precedence: ${piece.repeat(400_000 / piece.length)}x\r\n`), false);
    const { user } = process.cpuUsage(begun);
    assert.ok(user < 500_000, `${user} µs for ${JSON.stringify(piece)}`);
  }
});
