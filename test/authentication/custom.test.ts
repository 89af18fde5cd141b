// Checks of the administrator's own: the worked example through a listener, and modules that are not what they should be.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadCustomCheck } from '../../src/authentication/custom.ts';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { judge, unfolded, values } from './judge.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

let modules = 0;

/** A module with this text, loaded. */
function load(text: string, options: Record<string, unknown> = {}, extension = 'mjs') {
  const module = join(directory, `check-${modules++}.${extension}`);
  writeFileSync(module, text);
  return loadCustomCheck({ module, options, hideNone: false, header: 'Authentication-Results' });
}

const off = { iprev: false, spf: false, dkim: false, arc: false, dmarc: false };

const example = join(import.meta.dirname, '../../docs/examples/reply-to.mjs');

/** Sends one message through a listener with the worked example. */
async function send(given: {
  readonly mode?: string;
  readonly recipients: readonly string[];
  readonly message: readonly string[];
  readonly zone?: Record<string, unknown>;
}) {
  const options = { quarantine: true, closed: ['staff@example.net'] };
  await using downstream = await ScriptedDownstream.start({ protocol: 'smtp' });
  await using proxy = await RunningProxy.start({
    listener: { mode: given.mode ?? 'before-queue', destinations: [downstream.destination] },
    settings: { checks: { iprev: false, arc: false, custom: [{ module: example, options }] } },
    zone: given.zone ?? {},
  });
  using client = await RawClient.connect(proxy.address);
  await client.reply();
  client.send(
    'EHLO upstream.example\r\nXFORWARD ADDR=192.0.2.10 HELO=client.example\r\nMAIL FROM:<a@a.example>\r\n',
  );
  for (let i = 0; i < 3; i++) await client.reply();
  const rcpt: string[] = [];
  for (const recipient of given.recipients) {
    client.send(`RCPT TO:<${recipient}>\r\n`);
    rcpt.push((await client.reply()).join('\n'));
  }
  client.send(`DATA\r\n${given.message.join('\r\n')}\r\n.\r\n`);
  await client.reply();
  const final = (await client.reply()).join('\n');
  const sent = (downstream.messages[0]?.data.toString('latin1') ?? '').replace(/\r\n[ \t]+/g, ' ');
  return { rcpt, final, sent, log: proxy.transactions()[0] };
}

const message = ['From: a@a.example', 'Reply-To: x@evil.example', 'X-Replies-Go-To: forged', '', 'text'];

test('the worked example refuses a recipient at RCPT, and the others get the message', async () => {
  const { rcpt, final, sent } = await send({
    recipients: ['staff@example.net', 'kim@example.net'],
    message: ['From: a@a.example', '', 'text'],
  });
  assert.equal(rcpt[0], '550 5.7.2 staff@example.net takes no mail from outside');
  assert.match(rcpt[1] ?? '', /^250 /);
  assert.match(final, /^250 /);
  assert.match(sent, /x-reply-to=none/);
});

test('the worked example writes a result and a field, and has the message quarantined', async () => {
  const { final, sent, log } = await send({ recipients: ['kim@example.net'], message });
  assert.match(final, /^250 /);
  assert.match(sent, /x-reply-to=fail header\.reply-to=evil\.example\r\n/);
  assert.match(sent, /\r\nX-Replies-Go-To: evil\.example\r\n/);
  assert.doesNotMatch(sent, /forged/);
  assert.match(sent, /\r\nX-Disposition-Quarantine: .*replies would not go to the author\r\n/);
  assert.equal(log?.disposition, 'quarantine');
});

test('the worked example reads the result of DMARC, and lets a proven author be', async () => {
  const zone = {
    'a.example': { TXT: ['v=spf1 ip4:192.0.2.10 -all'] },
    '_dmarc.a.example': { TXT: ['v=DMARC1; p=none'] },
  };
  const { sent, log } = await send({ recipients: ['kim@example.net'], message, zone });
  assert.match(sent, /dmarc=pass .*x-reply-to=fail/);
  assert.equal(log?.disposition, 'accept');
});

test('after the queue a refusal at RCPT waits for the end of the message, where it is a quarantine', async () => {
  const { rcpt, final, sent } = await send({
    mode: 'after-queue',
    recipients: ['staff@example.net'],
    message: ['From: a@a.example', '', 'text'],
  });
  assert.match(rcpt[0] ?? '', /^250 /);
  assert.match(final, /^250 /);
  assert.match(sent, /\r\nX-Disposition-Quarantine: .*takes no mail from outside/);
});

test('a check takes part in every stage, in their order, and keeps notes between them', async () => {
  const check = load(`
    const stage = (name) => (context) => {
      const seen = context.notes.get('x-all.seen') ?? [];
      context.notes.set('x-all.seen', [...seen, name]);
    };
    export default {
      name: 'x-all',
      connect: stage('connect'), helo: stage('helo'), mail: stage('mail'), rcpt: stage('rcpt'),
      header: stage('header'), endOfHeaders: stage('endOfHeaders'), body: stage('body'),
      endOfMessage({ notes, recipients, clientClass, header }) {
        const comment = [...notes.get('x-all.seen'), ...recipients, clientClass, header.length].join(' ');
        return [{ method: 'x-all', value: 'pass', comment }];
      },
    };`);
  const outcome = await judge({
    checks: off,
    recipients: ['b@example.net'],
    message: 'From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n',
    options: { customChecks: [check] },
  });
  const stages = 'connect helo mail rcpt header header endOfHeaders body';
  assert.equal(unfolded(outcome), `mx.example.org; x-all=pass (${stages} b@example.net stranger 2)`);
});

test('a module in CommonJS or TypeScript is as good', async () => {
  const shape = "{ name: 'x-c', mail: () => [{ method: 'x-c', value: 'pass' }] }";
  for (const check of [
    load(`module.exports = ${shape};`, {}, 'cjs'),
    load(`const check: { name: string } = ${shape}; export default check;`, {}, 'ts'),
  ]) {
    const outcome = await judge({ checks: off, options: { customChecks: [check] } });
    assert.deepEqual(values(outcome), ['x-c=pass']);
  }
});

test('an instance of a class is a check whose functions find their own fields and functions', async () => {
  const check = load(`class Counter {
    name = 'x-count';
    #seen = 0;
    #more() { this.#seen += 1; }
    header() { this.#more(); }
    endOfMessage() { return [{ method: this.name, value: 'pass', comment: String(this.#seen) }]; }
  }
  export default new Counter();`);
  const outcome = await judge({ checks: off, options: { customChecks: [check] } });
  assert.match(unfolded(outcome), /x-count=pass \([1-9]\)/);
});

test('a check that changes what it is told changes neither the message nor what others are told', async () => {
  const careless = `export default {
    name: 'x-careless',
    connect({ client }) { client.ip = '127.0.0.1'; },
    header({ field }) { field.raw.fill(65); },
    endOfHeaders({ header, recipients }) { header.reverse()[0].raw.fill(65); header.length = 1; recipients.length = 0; },
    body({ chunk }) { chunk.fill(65); },
    endOfMessage({ results }) { for (const result of results) result.value = 'fail'; },
  };`;
  const witness = `export default {
    name: 'x-witness',
    endOfMessage({ client, header, recipients, results }) {
      const told = [client.ip, ...header.map(({ raw }) => raw), ...recipients, results[0].value];
      return [{ method: 'x-witness', value: 'pass', comment: told.join('|') }];
    },
  };`;
  await using downstream = await ScriptedDownstream.start({ protocol: 'smtp' });
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination] },
    settings: { checks: { ...off, spf: {}, custom: ['./careless.mjs', './witness.mjs'] } },
    files: { 'careless.mjs': careless, 'witness.mjs': witness },
    zone: { 'a.example': { TXT: ['v=spf1 ip4:192.0.2.10 -all'] } },
  });
  using client = await RawClient.connect(proxy.address);
  await client.reply();
  client.send('EHLO upstream.example\r\nXFORWARD ADDR=192.0.2.10 HELO=client.example\r\n');
  client.send('MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n');
  for (let i = 0; i < 5; i++) await client.reply();
  client.send('From: a@a.example\r\nSubject: x\r\n\r\ntext\r\n.\r\n');
  await client.reply();
  const sent = downstream.messages[0]?.data.toString('latin1') ?? '';
  assert.match(sent, /\r\nFrom: a@a\.example\r\nSubject: x\r\n\r\ntext\r\n$/u);
  assert.match(
    sent.replace(/\r\n /gu, ' '),
    /spf=pass .*x-witness=pass \(192\.0\.2\.10\|From: .*\|b@b\.example\|pass\)/u,
  );
});

const answers: readonly (readonly [string, string, string])[] = [
  ['nothing', 'undefined', ''],
  ['an empty list', '[]', ''],
  ['a text', "'pass'", 'x-odd=temperror'],
  ['a number', '7', 'x-odd=temperror'],
  ['null', 'null', 'x-odd=temperror'],
  ['a result without a value', "[{ method: 'x-odd' }]", 'x-odd=temperror'],
  ['a method that is none', "[{ method: 'x odd; dkim', value: 'pass' }]", 'x-odd=temperror'],
  ['a value that nobody knows', "[{ method: 'x-odd', value: 'great' }]", 'x-odd=permerror'],
  ['a field name that is none', "({ fields: [{ name: 'X:\\r\\nY', value: '' }] })", 'x-odd=temperror'],
  ['a disposition that is none', "({ disposition: { kind: 'drop', reason: '' } })", 'x-odd=temperror'],
  ['a result outside a list', "({ method: 'x-odd', value: 'pass', properties: [] })", 'x-odd=temperror'],
  ['a key that there is none of', "({ disposal: { kind: 'reject', reason: '' } })", 'x-odd=temperror'],
  [
    'a key that there is none of inside',
    "({ disposition: { kind: 'reject', reason: '', status: 554 } })",
    'x-odd=temperror',
  ],
];
for (const [what, answer, expected] of answers) {
  test(`an answer that is ${what} gives ${expected || 'no result'}, and the message goes on`, async () => {
    const check = load(`export default { name: 'x-odd', mail: () => ${answer} };`);
    const reported: string[] = [];
    const report = (error: unknown, name: string) => reported.push(`${name}: ${error}`);
    const outcome = await judge({ checks: off, options: { customChecks: [check], report } });
    assert.equal(values(outcome).join(' '), expected);
    assert.equal(reported.length, expected.endsWith('temperror') ? 1 : 0, reported.join('\n'));
  });
}

test('the line of a check that throws says for which message, and where in the module', async () => {
  await using downstream = await ScriptedDownstream.start({ protocol: 'smtp' });
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination] },
    settings: { checks: { ...off, custom: ['./broken.mjs'] } },
    files: { 'broken.mjs': "export default { name: 'x-broken', mail() { return nowhere; } };" },
  });
  using client = await RawClient.connect(proxy.address);
  await client.reply();
  client.send('EHLO client.example\r\nMAIL FROM:<a@a.example>\r\nRSET\r\n');
  for (let i = 0; i < 3; i++) await client.reply();
  client.send('QUIT\r\n');
  await client.reply();
  const failed = proxy.events.find(({ event }) => event === 'check failed')?.fields;
  assert.deepEqual([failed?.listener, failed?.check], ['test', 'x-broken']);
  assert.equal(failed?.transaction, proxy.transactions()[0]?.id);
  assert.match(String(failed?.stack), /nowhere is not defined\n +at .*broken\.mjs:1:/);
});

test('what it writes can break neither field nor header', async () => {
  const check = load(`export default {
    name: 'x-evil',
    mail: () => ({
      results: [{ method: 'x-evil', value: 'pass', comment: 'a) b=c\\r\\nEvil: 1', properties: [
        { ptype: 'policy', property: 'x', value: 'y; dkim=pass\\r\\nEvil: 2' } ] }],
      fields: [{ name: 'X-Text', value: 'one\\r\\nEvil: 3\\r\\n\\r\\nbody' }],
    }),
  };`);
  const { fields } = await judge({ checks: off, options: { customChecks: [check] } });
  assert.equal(fields.length, 2);
  for (const field of fields) assert.match(field, /^[!-9;-~]+: (?:[^\r\n]|\r\n )*\r\n$/);
  assert.doesNotMatch(fields.join(''), /dkim=pass/);
});

const wrongModules: readonly (readonly [string, string, RegExp])[] = [
  ['has a syntax error', 'export default {', /^cannot be loaded: /],
  ['throws', "throw new Error('no licence');", /^cannot be loaded: no licence$/],
  ['waits while it loads', 'await 1; export default {};', /^cannot be loaded: .*await/],
  [
    'exports a check by another name than default',
    "export const check = { name: 'x-a', mail() {} };",
    /^does not export a check: expected an object as its default export/,
  ],
  [
    'exports a class',
    "export default class { name = 'x-a'; mail() {} }",
    /^does not export a check: expected an object as its default export, of a class an instance$/,
  ],
  ['has no name', 'export default { mail() {} };', /^does not export a check: name: /],
  [
    'has no stage',
    "export default { name: 'x-a' };",
    /expected a function for at least one of connect, helo/,
  ],
  [
    'guards a field that cannot be one',
    "export default { name: 'x-a', ownFields: ['X Night:'], mail() {} };",
    /ownFields: 0: expected the name of a header field/,
  ],
  ['has a stage that there is none of', "export default { name: 'x-a', mial() {} };", /mial/],
  [
    'has a stage that is no function',
    "export default { name: 'x-a', mail: 1 };",
    /mail: expected a function/,
  ],
  [
    'has a schema that throws',
    "export default { name: 'x-a', schema() { throw new Error('no licence'); }, mail() {} };",
    /^its schema cannot be used: no licence$/,
  ],
  [
    'has a schema that waits',
    "export default { name: 'x-a', schema: (z) => z.object({}).refine(async () => true), mail() {} };",
    /^its schema cannot be used: .*Promise/,
  ],
  [
    'has a schema that is none',
    "export default { name: 'x-a', schema: () => 5, mail() {} };",
    /^its schema cannot be used: /,
  ],
];
for (const [what, text, expected] of wrongModules) {
  test(`a module that ${what} is a mistake in the configuration`, () => {
    assert.throws(() => load(text), { name: 'CustomCheckError', message: expected });
  });
}

test('options go through the schema, and there are none without one', () => {
  const withSchema = `export default {
    name: 'x-o', schema: (z) => z.strictObject({ limit: z.int() }), mail() {},
  };`;
  load(withSchema, { limit: 1 });
  for (const [text, options] of [
    [withSchema, { limit: 'many' }],
    [withSchema, {}],
    ["export default { name: 'x-o', mail() {} };", { limit: 1 }],
  ] as const) {
    assert.throws(
      () => load(text, options),
      (error: Error) => error.name === 'CustomCheckError' && /limit|Invalid/.test(error.message),
    );
  }
});
