// Every configuration that is shipped: it loads, starts, and relays a message through each of its listeners.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { postfixFile, postfixText } from '../../scripts/postfix-lines.ts';
import { beginning, uses } from '../../src/config/init.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { RawClient } from '../support/raw-client.ts';
import { type ExampleDoor, RunningExample } from '../support/running-example.ts';

const shipped = fileURLToPath(new URL('../../config/', import.meta.url));
const examples = readdirSync(join(shipped, 'examples')).filter((name) => name.endsWith('.yaml'));
const files = ['postern.yaml', ...examples.map((name) => join('examples', name))];

const message = 'From: a@sender.example\r\nSubject: through a postern\r\n\r\nText.\r\n';

/** Hands a message to the listener as a Postfix in front of it would. */
async function relay({ address, downstream, authservId }: ExampleDoor): Promise<void> {
  using client = await RawClient.connect(address);
  await client.reply();
  assert.match((await client.ask('EHLO upstream.example')).join(), /XFORWARD/);
  const lines = [
    'XFORWARD ADDR=192.0.2.10 NAME=client.sender.example HELO=client.sender.example',
    'MAIL FROM:<a@sender.example>',
    'RCPT TO:<b@example.com>',
    'DATA',
  ];
  for (const line of lines) assert.match((await client.ask(line)).join(), /^[23]/, line);
  client.send(`${message}.\r\n`);
  assert.match((await client.reply()).join(), /^250 /);
  const [received] = downstream.messages;
  const text = received?.data.toString('latin1') ?? '';
  assert.ok(text.includes(`Authentication-Results: ${authservId};`), text);
  assert.ok(text.endsWith(message), text);
}

for (const name of files) {
  test(`config/${name} relays a message`, async () => {
    await using example = await RunningExample.start(join(shipped, name));
    assert.ok(example.doors.length > 0);
    for (const door of example.doors) await relay(door);
  });

  test(`config/${name} says in its first line where its schema is`, () => {
    const path = name === 'postern.yaml' ? './postern.schema.json' : '../postern.schema.json';
    const [first] = readFileSync(join(shipped, name), 'utf8').split('\n', 1);
    assert.equal(first, `# yaml-language-server: $schema=${path}`);
  });
}

test('each use has an example', () => {
  assert.deepEqual(examples.sort(), [
    'after-queue.yaml',
    'before-queue.yaml',
    'everything.yaml',
    'lmtp.yaml',
    'several-listeners.yaml',
    'sidecar.yaml',
  ]);
});

test('the example with everything has every check switched on', () => {
  const { checks } = loadConfiguration({ file: join(shipped, 'examples/everything.yaml'), environment: {} });
  for (const [name, options] of Object.entries(checks)) assert.notEqual(options, false, name);
});

test('the sidecar takes from the environment what differs from one place to the next', () => {
  const { listeners, hostname, workers } = loadConfiguration({
    file: join(shipped, 'examples/sidecar.yaml'),
    environment: {
      POSTERN_SIDECAR_LISTEN: '0.0.0.0:25',
      POSTERN_SIDECAR_CLIENTS: '172.16.0.0/12',
      POSTERN_SIDECAR_DESTINATION: 'smtp://postfix:10026',
      POSTERN_SIDECAR_MODE: 'before-queue',
      POSTERN_SIDECAR_HOSTNAME: 'mx.example.org',
      POSTERN_SIDECAR_WORKERS: '2',
    },
  });
  assert.deepEqual(listeners[0]?.listen, { host: '0.0.0.0', port: 25 });
  assert.deepEqual(listeners[0]?.clients, ['127.0.0.0/8', '172.16.0.0/12']);
  assert.deepEqual(listeners[0]?.destinations[0]?.address, { host: 'postfix', port: 10_026 });
  assert.equal(listeners[0]?.mode, 'before-queue');
  assert.equal(hostname, 'mx.example.org');
  assert.equal(workers, 2);
});

for (const use of uses) {
  test(`the lines of Postfix for ${use} are those of the document`, () => {
    assert.equal(readFileSync(postfixFile(use), 'utf8'), postfixText(use), 'run: npm run generate');
  });

  test(`for ${use}, Postfix and Postern name the same ports`, () => {
    const { configuration, postfix } = beginning(use);
    const { listeners } = loadConfiguration({ file: join(shipped, `examples/${use}.yaml`), environment: {} });
    const [listener] = listeners;
    assert.ok(listener && 'port' in listener.listen);
    assert.match(postfix, new RegExp(`^[^#]*127\\.0\\.0\\.1\\]?:${listener.listen.port}$`, 'm'));
    const [destination] = listener.destinations;
    assert.ok(destination && 'port' in destination.address);
    if (use !== 'lmtp')
      assert.match(postfix, new RegExp(`^127\\.0\\.0\\.1:${destination.address.port} inet`, 'm'));
    // An address, since a path may have spaces in it, where editors see its end.
    const [, schema = ''] = /^# yaml-language-server: \$schema=(file:\S+)$/m.exec(configuration) ?? [];
    assert.equal(fileURLToPath(schema), join(shipped, 'postern.schema.json'));
  });
}
