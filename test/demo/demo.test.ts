// The demo as a program: what it shows, and that it ends well.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createTransport } from 'nodemailer';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

test('the demo shows four messages in both modes, and ends by itself with status 0', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'demo'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(stderr, '');
  assert.equal(status, 0, stdout);
  const [, signed = '', list = '', spoofed = '', forged = ''] = stdout.split(/^[1-4]\. /m);
  for (const part of [signed, list, spoofed, forged]) {
    assert.match(part, /^ {4}claims +From: .*^ {4}came from .*^ {2}before-queue$.*^ {2}after-queue$/ms);
  }
  assert.equal(signed.match(/dmarc=pass \(p=reject/g)?.length, 2);
  assert.equal(signed.match(/outcome +DELIVERED: 250 /g)?.length, 2);
  assert.equal(list.match(/dkim=fail {2}arc=pass {2}dmarc=fail/g)?.length, 2);
  assert.equal(list.match(/outcome +DELIVERED: 250 /g)?.length, 2);
  assert.match(spoofed, /before-queue$.*outcome +REFUSED: 550 5\.7\.1 .*bank\.example.*p=reject/ms);
  assert.match(
    spoofed,
    /after-queue$.*X-Disposition-Quarantine: .*outcome +DELIVERED, MARKED FOR QUARANTINE: 250 /ms,
  );
  assert.equal(forged.match(/removed +Authentication-Results: MX\.POSTERN\.EXAMPLE/g)?.length, 2);
  assert.match(stdout, /\nAll went as it should\.\n$/);
});

test('started to stay, it says how to talk to it, takes mail, and leaves nothing behind', async () => {
  const child = spawn(process.execPath, [cli, 'start'], { stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    const said = await untilLine(child, /Ctrl-C/);
    const swaks = said.filter((line) => line.includes('swaks --server 127.0.0.1:'));
    assert.equal(swaks.length, 4);
    const directory = said.join('\n').match(/everything +(\S+)/)?.[1] ?? '';
    const port = Number(said.join('\n').match(/before-queue +127\.0\.0\.1:([0-9]+)/)?.[1]);
    const transport = createTransport({ host: '127.0.0.1', port });
    const envelope = { from: 'service@bank.example', to: 'kim@postern.example' };
    const sent = await transport.sendMail({ envelope, raw: { path: `${directory}/signed.eml` } });
    assert.match(sent.response, /^250 /);
    await assert.rejects(
      transport.sendMail({ envelope, raw: { path: `${directory}/spoofed.eml` } }),
      /550 5\.7\.1 Rejected by the DMARC policy of bank\.example/,
    );
    child.kill('SIGTERM');
    const [status] = await once(child, 'exit');
    assert.equal(status, 0);
    assert.ok(!existsSync(directory));
  } finally {
    child.kill('SIGKILL');
  }
});

/** The lines up to the one that matches. */
async function untilLine(child: ChildProcess, last: RegExp): Promise<string[]> {
  assert.ok(child.stdout);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (last.test(line)) break;
  }
  return lines;
}
