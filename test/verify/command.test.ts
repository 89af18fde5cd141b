// The options of `postern verify`, as they are read before anything is judged.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runVerify, type VerifyOptions } from '../../src/verify/command.ts';

const wrong: readonly (readonly [string, VerifyOptions])[] = [
  ['--ip', { ip: '' }],
  ['--ip', { ip: 'localhost' }],
  ['--ip', { ip: '192.0.2.0/24' }],
  ['--ip', { ip: 'fe80::1%eth0' }],
  ['--helo', { helo: '' }],
  ['--helo', { helo: 'a\nb' }],
  ['--from', { from: 'a b@example.com' }],
  ['--from', { from: '<a@example.com> SIZE=1' }],
  ['--from', { from: '<a@example.com' }],
  ['--to', { to: ['a@example.com', 'b\x1b@example.com'] }],
  ['--to', { to: [''] }],
  ['--zone', { zone: '' }],
];

for (const [option, options] of wrong) {
  test(`${option} is named when it cannot be ${JSON.stringify(options)}`, async () => {
    const run = runVerify('missing.eml', options, (text) => assert.fail(text));
    await assert.rejects(run, { name: 'VerifyError', kind: 'usage', message: new RegExp(`^${option}: `) });
  });
}

test('a wrong value is shown without what a terminal could obey', async () => {
  await assert.rejects(
    runVerify(undefined, { ip: '\x1b[2J' }, () => {}),
    { message: /^--ip: \\x1b\[2J is/ },
  );
});
