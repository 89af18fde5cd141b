// A running proxy follows its file of rules, however that is written.
import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

/** A proxy before the queue with a file of rules. */
async function start(downstream: ScriptedDownstream, rules: string): Promise<RunningProxy> {
  return RunningProxy.start({
    listener: { mode: 'before-queue', destinations: [downstream.destination] },
    settings: { policy: { rulesFile: './rules.yaml' } },
    files: { 'rules.yaml': rules },
  });
}

async function finalReply(proxy: RunningProxy): Promise<string> {
  using client = await RawClient.connect(proxy.address);
  await client.reply();
  for (const line of [
    'EHLO upstream.example',
    'MAIL FROM:<a@example.com>',
    'RCPT TO:<b@example.net>',
    'DATA',
  ]) {
    await client.ask(line);
  }
  return (await client.ask('From: a@example.com\r\n\r\nHello.\r\n.')).join(' ');
}

/** Sends messages until one gets the reply that is waited for. */
async function untilReply(proxy: RunningProxy, expected: RegExp): Promise<void> {
  const end = Date.now() + 20_000;
  for (;;) {
    const reply = await finalReply(proxy);
    if (expected.test(reply)) return;
    assert.ok(Date.now() < end, `still ${reply}`);
  }
}

/** Sends messages until the log says it. */
async function untilLogged(proxy: RunningProxy, event: string): Promise<void> {
  const end = Date.now() + 20_000;
  while (!proxy.events.some((each) => each.event === event)) {
    assert.ok(Date.now() < end, `no ${event}`);
    await finalReply(proxy);
  }
}

const rejecting = (text: string) => `- { name: emergency, when: {}, then: { reject: { text: ${text} } } }\n`;

test('rules that are written or renamed into place count for the next messages, without a restart', async () => {
  await using downstream = await ScriptedDownstream.start({});
  await using proxy = await start(downstream, '# none yet\n');
  const file = join(proxy.directory, 'rules.yaml');
  assert.match(await finalReply(proxy), /^250 /);
  await writeFile(file, rejecting('written'));
  await untilReply(proxy, /^550 5\.7\.1 written$/);
  await writeFile(`${file}.new`, rejecting('renamed'));
  await rename(`${file}.new`, file);
  await untilReply(proxy, /^550 5\.7\.1 renamed$/);
  const reloads = proxy.events.filter(({ event }) => event === 'policy rules reloaded');
  assert.deepEqual(
    reloads.map(({ level, fields }) => [level, fields]),
    Array.from({ length: 2 }, () => ['info', { file, rules: 1 }]),
  );
});

test('a broken file leaves the rules, is told with line and key, and is followed on', async () => {
  await using downstream = await ScriptedDownstream.start({});
  await using proxy = await start(downstream, rejecting('first'));
  const file = join(proxy.directory, 'rules.yaml');
  await writeFile(file, `# one more\n${rejecting('second')}- { when: { colour: red }, then: reject }\n`);
  const event = 'policy rules cannot be used, those before stay';
  await untilLogged(proxy, event);
  assert.match(await finalReply(proxy), /^550 5\.7\.1 first$/);
  const warning = proxy.events.find((each) => each.event === event);
  assert.equal(warning?.level, 'warn');
  assert.match(
    String(warning?.fields.mistakes),
    /rules\.yaml:3: \[1\]\.when\.colour: unknown key; expected one of results, from/,
  );
  await rm(file);
  await writeFile(file, rejecting('third'));
  await untilReply(proxy, /^550 5\.7\.1 third$/);
});
