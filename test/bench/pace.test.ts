// What the load generator makes of a pace that changes: messages that were due stay due, also when they could not be sent.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadSchema } from '../../bench/load/plan.ts';
import { Run } from '../../bench/load/run.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-pace-'));
after(() => rmSync(directory, { recursive: true }));
const message = join(directory, 'message.eml');
writeFileSync(message, 'Subject: x\r\n\r\nHello.\r\n');

for (const held of [false, true]) {
  test(`a pace that changes while ${held ? 'nothing is answered' : 'all is answered'} counts from then on`, async () => {
    const released = Promise.withResolvers<undefined>();
    if (!held) released.resolve(undefined);
    await using downstream = await ScriptedDownstream.start({ answers: { MAIL: () => released.promise } });
    const plan = { to: `127.0.0.1:${downstream.port}`, messages: [message], seconds: 1, rate: 200 };
    const run = new Run(loadSchema.parse(plan), () => undefined);
    const result = run.result();
    const begun = performance.now();
    while (performance.now() - begun < 300) await new Promise((resolve) => setTimeout(resolve, 10));
    const changed = (performance.now() - begun) / 1000;
    run.pace(Number.NaN);
    run.pace(20);
    released.resolve(undefined);
    const { accepted } = await result;
    const due = 200 * changed + 20 * (1 - changed);
    assert.ok(Math.abs(accepted - due) <= 0.1 * due, `${accepted} messages, ${due} were due`);
  });
}
