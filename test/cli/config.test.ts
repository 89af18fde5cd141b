// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment are written so in YAML
// `postern config ...` as a shell sees it, and a proxy that the environment alone describes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { uses } from '../../src/config/init.ts';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { programIn } from './program.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'postern-cli-config-'));
after(() => rmSync(directory, { recursive: true }));

const { start, run } = programIn(directory);

const example = (name: string) => readFileSync(join(root, 'config/examples', name), 'utf8');

/** But for the line that says where the schema is. */
const withoutFirstLine = (yaml: string) => yaml.slice(yaml.indexOf('\n'));

for (const use of uses) {
  test(`config init --use ${use} writes a file that config check takes, and prints the lines for Postfix`, async () => {
    const file = join(directory, `${use}.yaml`);
    const begun = await run(['config', 'init', '--use', use, '--output', file]);
    assert.deepEqual([begun.status, begun.stdout], [0, example(`${use}.cf`)]);
    assert.equal(withoutFirstLine(readFileSync(file, 'utf8')), withoutFirstLine(example(`${use}.yaml`)));
    const checked = await run(['config', 'check', file]);
    assert.match(checked.stdout, /: good \([a-z-]+\)\n$/);
  });
}

test('config init without a file keeps what is asked for apart from what is to be read', async () => {
  const { stdout, stderr, status } = await run(['config', 'init', '--use', 'lmtp']);
  assert.equal(status, 0);
  assert.equal(withoutFirstLine(stdout), withoutFirstLine(example('lmtp.yaml')));
  const schema = /^# yaml-language-server: \$schema=(\S+)\n/.exec(stdout)?.[1] ?? '';
  assert.ok(existsSync(new URL(schema)), schema);
  assert.equal(stderr, example('lmtp.cf'));
});

test('config init writes over no file, and ends with 73', async () => {
  const file = join(directory, 'mine.yaml');
  writeFileSync(file, 'mine');
  const there = await run(['config', 'init', '--use', 'lmtp', '-o', file]);
  assert.deepEqual([there.status, there.stdout], [73, '']);
  assert.equal(there.stderr, `postern: ${file}: is there already; expected a new file\n`);
  assert.equal(readFileSync(file, 'utf8'), 'mine');
  const nowhere = await run(['config', 'init', '--use', 'lmtp', '-o', join(directory, 'no/such.yaml')]);
  assert.equal(nowhere.status, 73);
  assert.match(nowhere.stderr, /^postern: [^\n]*ENOENT[^\n]*\n$/);
});

test('config init without a use, or with one that there is not, ends with 64', async () => {
  for (const args of [[], ['--use', 'sideways']]) {
    const { status, stderr } = await run(['config', 'init', ...args]);
    assert.equal(status, 64);
    assert.match(stderr, /--use/);
  }
});

const listener =
  'listeners: [{ name: in, listen: "127.0.0.1:1", mode: after-queue, destinations: ["smtp://127.0.0.1:2"] }]\n';

test('config show writes YAML or JSON, with what the environment says and without the token', async () => {
  const file = join(directory, 'shown.yaml');
  writeFileSync(file, `${listener}hostname: "\${NAME}"\nhttp: { token: "\${TOKEN}" }\n`);
  const environment = { NAME: 'mx.example.com', TOKEN: 'not-to-be-seen-by-anybody' };
  const [yaml, json] = await Promise.all([
    run(['config', 'show', file], environment),
    run(['config', 'show', file, '--json'], environment),
  ]);
  assert.deepEqual([yaml.status, yaml.stderr, json.status, json.stderr], [0, '', 0, '']);
  assert.deepEqual(parse(yaml.stdout), JSON.parse(json.stdout));
  const { hostname, http, policy } = parse(yaml.stdout) as Record<string, Record<string, unknown>>;
  assert.equal(hostname, 'mx.example.com');
  assert.equal(policy?.dmarc, 'annotate');
  assert.deepEqual(http, { listen: '127.0.0.1:8025', token: '********' });
  assert.doesNotMatch(`${yaml.stdout}${json.stdout}`, /not-to-be-seen/);
});

test('config show and config check tell the mistakes, and end with 78', async () => {
  const file = join(directory, 'wrong.yaml');
  writeFileSync(file, `${listener}hostnaem: a\nlog: { level: "\${LEVEL}" }\nhttp: { token: short-secret }\n`);
  for (const command of ['show', 'check']) {
    const { stdout, stderr, status } = await run(['config', command, file]);
    assert.deepEqual([stdout, status], ['', 78]);
    const [key = '', level = '', token = ''] = stderr.split('\n');
    assert.match(key, /wrong\.yaml:2: hostnaem: unknown key; .*; did you mean hostname\?$/);
    assert.match(level, /wrong\.yaml:3: log\.level: the variable LEVEL is not set; expected /);
    assert.match(token, /wrong\.yaml:4: http\.token: /);
    assert.doesNotMatch(stderr, /short-secret/);
  }
});

test('config check tells warnings, and the configuration is good nevertheless', async () => {
  const file = join(directory, 'warned.yaml');
  writeFileSync(file, `${listener}spool: { directory: absent }\nhostname: mx.example\n`);
  const { stdout, stderr, status } = await run(['config', 'check', file], { POSTERN_MODE: 'before-queue' });
  assert.deepEqual([stdout, status], [`${file}: good (in)\n`, 0]);
  const [unused = '', spool = ''] = stderr.split('\n');
  assert.match(unused, /^warning: POSTERN_MODE: not used, since the listeners are those of .*warned\.yaml$/);
  assert.match(spool, /^warning: .*warned\.yaml:2: spool\.directory: .*absent" is not there: /);
});

/** All names that the message's checks ask for, so that no name server is asked. */
const zone = `
10.2.0.192.in-addr.arpa: { PTR: [client.sender.test] }
client.sender.test: { A: [192.0.2.10] }
sender.test: { TXT: ["v=spf1 ip4:192.0.2.10 -all"] }
_dmarc.sender.test: { TXT: ["v=DMARC1; p=reject"] }
_dmarc.test: { TXT: NXDOMAIN }
`;

test('the environment alone is enough to relay a message', async () => {
  await using downstream = await ScriptedDownstream.start();
  writeFileSync(join(directory, 'zone.yaml'), zone);
  const child = start(['serve'], {
    POSTERN_LISTEN: '127.0.0.1:0',
    POSTERN_MODE: 'before-queue',
    POSTERN_DESTINATION: downstream.destination,
    POSTERN_CLIENTS: '127.0.0.1,192.0.2.0/24',
    POSTERN_HOSTNAME: 'mx.example.test',
    POSTERN_AUTHSERV_ID: 'example.test',
    POSTERN_DNS_ZONE: './zone.yaml',
    POSTERN_WORKERS: '1',
    POSTERN_HTTP: 'false',
  });
  const exit = once(child, 'exit');
  try {
    let port = 0;
    const lines = createInterface({ input: child.stdout });
    for await (const line of lines) {
      port = Number(/listening on 127\.0\.0\.1:(\d+) \(before-queue\)$/.exec(line)?.[1] ?? 0);
      if (port > 0) break;
    }
    child.stdout.resume();
    child.stderr.resume();
    using client = await RawClient.connect({ host: '127.0.0.1', port });
    assert.match((await client.reply()).join(), /^220 mx\.example\.test /);
    for (const line of [
      'EHLO upstream.example',
      'XFORWARD ADDR=192.0.2.10 NAME=client.sender.test HELO=client.sender.test',
      'MAIL FROM:<a@sender.test>',
      'RCPT TO:<b@example.test>',
      'DATA',
    ]) {
      assert.match((await client.ask(line)).join(), /^[23]/, line);
    }
    client.send('From: a@sender.test\r\nSubject: s\r\n\r\nText.\r\n.\r\n');
    assert.match((await client.reply()).join(), /^250 /);
    const received = downstream.messages[0]?.data.toString('latin1') ?? '';
    assert.match(received, /^Authentication-Results: example\.test;/m);
    for (const found of ['iprev=pass', 'spf=pass', 'dmarc=pass'])
      assert.ok(received.includes(found), received);
  } finally {
    child.kill('SIGTERM');
  }
  assert.deepEqual(await exit, [0, null]);
});
