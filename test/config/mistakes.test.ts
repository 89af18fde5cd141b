// Mistakes in a configuration: each kind in one line, with its file, line and key, all at once.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment are written so in YAML
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadConfiguration } from '../../src/config/load.ts';
import { ConfigurationError } from '../../src/config/mistakes.ts';
import { parseYaml } from '../../src/config/source.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-mistakes-'));
after(() => rmSync(directory, { recursive: true }));

const testTls = (name: string) => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url));

/** A file in a directory of this test's own. */
function write(name: string, text: string | Buffer): string {
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
}

/** The mistakes of what is loaded; file names lose the directory. */
function mistakesOf(from: Parameters<typeof loadConfiguration>[0]): string[] {
  try {
    loadConfiguration(from);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    for (const mistake of error.mistakes) assert.match(mistake, /^\P{Cc}+; expected \P{Cc}+$/u);
    return error.mistakes.map((mistake) => mistake.replaceAll(`${directory}/`, ''));
  }
  return [];
}

function mistakesIn(text: string | Buffer, environment: NodeJS.ProcessEnv = {}): string[] {
  return mistakesOf({ file: write('postern.yaml', text), environment });
}

/** The whole file but its end, which begins in line 6, inside the listener. */
const good = `listeners:
  - name: in
    listen: 127.0.0.1:10025
    mode: after-queue
    destinations: [smtp://127.0.0.1:10026]
`;

/** One mistake for each text: what follows `good`, and how its line begins. */
const single: readonly (readonly [string, string])[] = [
  ['colour: red', 'postern.yaml:6: colour: unknown key; expected one of hostname, authservId, listeners'],
  [
    '    pool: { sise: 5 }',
    'postern.yaml:6: listeners[0].pool.sise: unknown key; expected one of size, idle',
  ],
  [
    '    pool:\n      size: 0',
    'postern.yaml:7: listeners[0].pool.size: 0 is not possible here; expected a whole',
  ],
  ['    pool:\n      idle: 60', 'postern.yaml:7: listeners[0].pool.idle: 60 is not a time; expected'],
  ['    pool: { wait: 0s }', 'postern.yaml:6: listeners[0].pool.wait: "0s" is not a time; expected'],
  ['    pool: { backoff: 2m }', 'postern.yaml:6: listeners[0].pool.backoff: is longer than backoffMax'],
  ['    limits: { command: 1KB1 }', 'postern.yaml:6: listeners[0].limits.command: "1KB1" is not a size'],
  [
    '    limits: { command: 100 }',
    'postern.yaml:6: listeners[0].limits.command: 100 is too small; expected at',
  ],
  [
    '    limits: { command: 1MiB }',
    'postern.yaml:6: listeners[0].limits.command: "1MiB" is too large; expected',
  ],
  [
    '    envelope: later',
    'postern.yaml:6: listeners[0].envelope: "later" is not possible here; expected one of',
  ],
  [
    '    clients:\n      - ::1\n      - 10.0.0.0/33',
    'postern.yaml:8: listeners[0].clients[1]: "10.0.0.0/33" is not a network; expected an address or a network',
  ],
  [
    '    clients: 127.0.0.1',
    'postern.yaml:6: listeners[0].clients: "127.0.0.1" is not possible here; expected a list',
  ],
  [
    '    proxyProtocol: ["10"]',
    'postern.yaml:6: listeners[0].proxyProtocol[0]: "10" is not a network; expected',
  ],
  ['    tls: { certificate: c.pem }', 'postern.yaml:6: listeners[0].tls.key: missing; expected a text'],
  ['hostname: "a b"', 'postern.yaml:6: hostname: "a b" is not a host name; expected a name such as'],
  ['hostname: 5', 'postern.yaml:6: hostname: 5 is not a host name; expected a name such as'],
  ['authservId: "a; b"', 'postern.yaml:6: authservId: "a; b" is not an authserv-id; expected a name'],
  [
    'dns: { servers: [resolver.example] }',
    'postern.yaml:6: dns.servers[0]: "resolver.example" is not a name server',
  ],
  [
    'dns: { zoneOnly: "no" }',
    'postern.yaml:6: dns.zoneOnly: "no" is not possible here; expected true or false',
  ],
  [
    'dns: { zoneOnly: true }',
    'postern.yaml:6: dns.zoneOnly: leaves no name that exists while dns.zone is not set; expected a zone file',
  ],
  [
    'policy: { dmarc: reject }\nchecks: { spf: false, dkim: false }',
    'postern.yaml:6: policy.dmarc: "reject" would meet every message of a domain that asks for it while checks.spf',
  ],
  [
    'http: 127.0.0.1:10025',
    'postern.yaml:6: http: "127.0.0.1:10025" is that of listeners[0] too; expected another one, or false',
  ],
  ['receivedSpf: 1', 'postern.yaml:6: receivedSpf: 1 is not possible here; expected true or false'],
  ['http: 8025', 'postern.yaml:6: http: 8025 is not an address; expected host:port, "[v6]:port" or false'],
  ['http: 127.0.0.1:99999', 'postern.yaml:6: http: "127.0.0.1:99999" is not an address; expected host:port'],
  ['workers: 0', 'postern.yaml:6: workers: 0 is not possible here; expected a whole number from 1 to'],
  ['user: "-x"', 'postern.yaml:6: user: "-x" is not a name; expected a name or a number'],
  ['stopTimeout: 30', 'postern.yaml:6: stopTimeout: 30 is not a time; expected'],
  [
    'spool: { limit: 10MiB }',
    'postern.yaml:6: spool.limit: "10MiB" is less than spool.messageLimit; expected at least as much',
  ],
  ['log:', 'postern.yaml:6: log: is empty; expected a mapping'],
  [
    'log: { level: loud }',
    'postern.yaml:6: log.level: "loud" is not possible here; expected one of error, warn',
  ],
  ['policy: { dmarc: shout }', 'postern.yaml:6: policy.dmarc: "shout" is not possible here; expected one of'],
  ['checks: { tea: {} }', 'postern.yaml:6: checks.tea: unknown key; expected one of iprev, '],
  ['checks: { spf: { strength: 5 } }', 'postern.yaml:6: checks.spf.strength: unknown key; expected'],
  [
    'networks:\n  map:\n    - as: { ip: 192.0.2.1 }',
    'postern.yaml:8: networks.map[0]: fits every client; expected client, helo or both',
  ],
  [
    'networks: { map: [{ helo: [mx.inside], as: {} }] }',
    'postern.yaml:6: networks.map[0].as: changes nothing; expected ip, helo or both',
  ],
  [
    'networks: { map: [{ client: [], as: { ip: 192.0.2.1 } }] }',
    'postern.yaml:6: networks.map[0].client: too few entries; expected at least 1',
  ],
  [
    'networks: { map: [{ client: [10.0.0.1], as: { ip: 192.0.2.0/24 } }] }',
    'postern.yaml:6: networks.map[0].as.ip: "192.0.2.0/24" is not an address; expected',
  ],
  [
    'networks: { map: [{ client: [10.0.0.1] }] }',
    'postern.yaml:6: networks.map[0].as: missing; expected a mapping',
  ],
  [
    'networks: { trusted: [mx.example.com] }',
    'postern.yaml:6: networks.trusted[0]: "mx.example.com" is not a network; expected',
  ],
  [
    'header: { remove: [.example.com] }',
    'postern.yaml:6: header.remove[0]: ".example.com" is not an authserv-id; expected a name',
  ],
  [
    'header: { remove: ["*.example.com"] }',
    'postern.yaml:6: header.remove[0]: "*.example.com" is not an authserv-id; expected a name',
  ],
  [
    'checks: { spf: { header: "a b" } }',
    'postern.yaml:6: checks.spf.header: not possible here; expected the name of a header field',
  ],
  [
    'checks: { spf: true }',
    'postern.yaml:6: checks.spf: not possible here; expected false or the options of',
  ],
  [
    'header: { alsoIn: ["X-A:"] }',
    'postern.yaml:6: header.alsoIn[0]: not possible here; expected the name of a header field',
  ],
  [
    'header: { alsoIn: [Subject] }',
    'postern.yaml:6: header.alsoIn[0]: not possible here; expected the name of a header field that begins',
  ],
  [
    'checks: { spf: { header: From } }',
    'postern.yaml:6: checks.spf.header: not possible here; expected the name of a header field that begins',
  ],
  [
    'checks: { dkim: { header: x-disposition-quarantine } }',
    'postern.yaml:6: checks.dkim.header: not possible here; expected the name of a header field that begins',
  ],
  [
    'checks: { custom: [{ module: a.mjs, header: ARC-Authentication-Results }] }',
    'postern.yaml:6: checks.custom[0]',
  ],
  ['"a\\nb": 1', 'postern.yaml:6: "a\\nb": unknown key; expected'],
  ['hostname: a.example\nhostname: b.example', 'postern.yaml:7: Map keys must be unique; expected YAML'],
  ['? a.example\n? &b a.example', 'postern.yaml:7: Map keys must be unique; expected YAML'],
  ['log: { level: info,\n  level: debug }', 'postern.yaml:7: Map keys must be unique; expected YAML'],
  ['hostname: *later\nauthservId: &later a', 'postern.yaml:6: *later stands for nothing; expected YAML'],
  ['---\nhostname: a', 'postern.yaml:6: Source contains multiple documents; expected YAML'],
  [`hostname: a\nhttp: false\n---\n`, 'postern.yaml:8: Source contains multiple documents; expected YAML'],
  ['hostname: *nobody', 'postern.yaml:6: *nobody stands for nothing; expected YAML'],
];

for (const [text, begin] of single) {
  test(`the file that ends with ${JSON.stringify(text)} has one mistake`, () => {
    const mistakes = mistakesIn(good + text);
    assert.equal(mistakes.length, 1, mistakes.join('\n'));
    assert.equal(mistakes[0]?.slice(0, begin.length), begin);
  });
}

test('all mistakes are told at once, in the order of their lines, also those between keys', () => {
  const lines = mistakesIn(`workers: none
listeners:
  - listen: here
    name: in
    destinations: [smtp://127.0.0.1:1, ftp://x, lmtp://127.0.0.1:2]
  - name: in
    listen: 127.0.0.1:10025
    mode: sideways
    destinations: []
  - name: again
    listen: 127.0.0.1:10025
    mode: after-queue
    destinations: [smtp://127.0.0.1:10025]
dns: { zone: nowhere.yaml }
`);
  assert.deepEqual(
    lines.map((line) => line.replace(/^([^;]+);.*$/, '$1')),
    [
      'postern.yaml:1: workers: "none" is not a number of processes',
      'postern.yaml:3: listeners[0].listen: "here" is not an address to listen on',
      'postern.yaml:3: listeners[0].mode: missing',
      'postern.yaml:5: listeners[0].destinations[1]: "ftp://x": not a destination',
      'postern.yaml:5: listeners[0].destinations[2]: "lmtp://127.0.0.1:2" speaks LMTP',
      'postern.yaml:6: listeners[1].name: "in" is that of listeners[0] too',
      'postern.yaml:8: listeners[1].mode: "sideways" is not possible here',
      'postern.yaml:9: listeners[1].destinations: an empty list is not possible here',
      'postern.yaml:11: listeners[2].listen: "127.0.0.1:10025" is that of listeners[1] too',
      'postern.yaml:13: listeners[2].destinations[0]: "smtp://127.0.0.1:10025" is this listener',
      "postern.yaml:14: dns.zone: nowhere.yaml: cannot be read: ENOENT: no such file or directory, open 'nowhere.yaml'",
    ],
  );
});

const smtpTo = (to: string) => (to.startsWith('/') ? `smtp+unix:${to}` : `smtp://${to}`);

/** Mistakes of listeners that each listen here, and send there. */
function mistakesBetween(...listeners: readonly (readonly [listen: string, ...destinations: string[]])[]) {
  const described = listeners.map(([listen, ...destinations], i) => ({
    name: `l${i}`,
    listen,
    mode: 'after-queue',
    destinations: destinations.map(smtpTo),
  }));
  return mistakesIn(JSON.stringify({ listeners: described, http: false })).map((mistake) =>
    mistake.replace(/^postern\.yaml:1: |; expected .*$/g, ''),
  );
}

test('a destination that leads to its own listener is a mistake, however the two are spelled', () => {
  for (const [listen, to] of [
    ['127.0.0.1:25', 'localhost:25'],
    ['localhost:25', '127.0.0.1'],
    ['[::1]:25', 'LOCALHOST.:25'],
    ['[::1]:25', '[0:0:0:0:0:0:0:1]:25'],
    ['0.0.0.0:25', '127.0.0.1:25'],
    ['0.0.0.0:25', '127.3.2.1:25'],
    ['0.0.0.0:25', '0.0.0.0:25'],
    ['127.0.0.1:25', '[::ffff:127.0.0.1]:25'],
    ['[::]:25', '[::1]:25'],
    ['[::]:25', '127.0.0.1:25'],
    ['[::]:25', 'localhost:25'],
    ['unix:/run/in.sock', '/run/in.sock'],
  ] as const) {
    assert.deepEqual(mistakesBetween([listen, to]), [
      `listeners[0].destinations[0]: "${smtpTo(to)}" is this listener`,
    ]);
  }
});

test('a destination with the same port elsewhere is none', () => {
  for (const [listen, to] of [
    ['0.0.0.0:25', 'store.example:25'],
    ['0.0.0.0:25', '192.0.2.1:25'],
    ['0.0.0.0:25', '[::1]:25'],
    ['127.0.0.1:25', '127.0.0.2:25'],
    ['[::1]:25', '[::127.0.0.1]:25'],
    ['localhost:0', 'localhost:25'],
  ] as const)
    assert.deepEqual(mistakesBetween([listen, to]), [], `${listen} ${to}`);
});

test('listeners that send mail round are a mistake of one of them, and a chain of them is none', () => {
  const [a, b, c] = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'] as const;
  assert.deepEqual(mistakesBetween([a, b], [b, a]), [
    'listeners[1].destinations[0]: "smtp://127.0.0.1:1" is listeners[0], from where mail comes back here',
  ]);
  assert.deepEqual(mistakesBetween([a, '192.0.2.1', b], [b, c], [c, 'store.example', 'localhost:1']), [
    'listeners[2].destinations[1]: "smtp://localhost:1" is listeners[0], from where mail comes back here',
  ]);
  assert.deepEqual(mistakesBetween([a, b, c], [b, c], [c, '192.0.2.1']), []);
});

test('addresses that cannot be bound side by side are a mistake', () => {
  const sides = (one: string, other: string) => mistakesBetween([one, '192.0.2.1'], [other, '192.0.2.1']);
  for (const [one, other] of [
    ['127.0.0.1:25', '0.0.0.0:25'],
    ['0.0.0.0:25', '192.0.2.7:25'],
    ['[::]:25', '127.0.0.1:25'],
    ['[::]:25', '0.0.0.0:25'],
    ['[::]:25', 'localhost:25'],
    ['[::1]:25', '[0::1]:25'],
  ] as const)
    assert.deepEqual(sides(one, other), [
      `listeners[1].listen: "${other}" is that of listeners[0], "${one}", too`,
    ]);
  for (const [one, other] of [
    ['0.0.0.0:25', '[::1]:25'],
    ['127.0.0.1:25', '127.0.0.2:25'],
    ['127.0.0.1:25', '0.0.0.0:26'],
    ['127.0.0.1:0', '0.0.0.0:0'],
  ] as const)
    assert.deepEqual(sides(one, other), [], `${one} ${other}`);
});

test('HTTP at its default address beside a listener there is a mistake, unless it is off', () => {
  const text = good.replace('127.0.0.1:10025', '0.0.0.0:8025');
  assert.deepEqual(mistakesIn(text), [
    'postern.yaml:1: http: "127.0.0.1:8025" is that of listeners[0], "0.0.0.0:8025", too; expected another one, or false',
  ]);
  assert.deepEqual(mistakesIn(`${text}http: false\n`), []);
});

test('how long the path of a UNIX socket may be is said where one is longer', () => {
  assert.match(
    mistakesIn(good.replace('127.0.0.1:10025', `unix:/${'x'.repeat(107)}`)).join(),
    /is not an address to listen on; expected host:port, "\[v6\]:port", or unix:\/path of at most 107 bytes$/,
  );
});

test('DMARC is enforced with SPF or DKIM alone', () => {
  const mistakes = ['spf: false', 'dkim: false', 'spf: false, dkim: false, dmarc: false'].map(
    (checks) => mistakesIn(`${good}policy: { dmarc: quarantine }\nchecks: { ${checks} }\n`).length,
  );
  assert.deepEqual(mistakes, [0, 0, 1]);
});

test('an empty file lacks its listeners', () => {
  for (const text of ['', '# nothing\n', '{}'])
    assert.match(
      mistakesIn(text).join(),
      /^postern\.yaml:1(: listeners: missing|: is empty); expected [^,]+$/,
    );
});

test('a file that is a list, or a text, is no configuration', () => {
  assert.deepEqual(mistakesIn('- a\n'), ['postern.yaml:1: a list is not possible here; expected a mapping']);
  assert.deepEqual(mistakesIn('hello\n'), [
    'postern.yaml:1: "hello" is not possible here; expected a mapping',
  ]);
});

test('a YAML syntax error is told with its line', () => {
  const [mistake = ''] = mistakesIn('hostname: a\nlisteners: [\n  {\n');
  assert.match(mistake, /^postern\.yaml:\d+: .*; expected YAML$/);
});

test('a key that is a list is a mistake like others, and no warning of the parser besides', async () => {
  const warnings: Error[] = [];
  const hear = (warning: Error) => warnings.push(warning);
  process.on('warning', hear);
  try {
    const { value } = parseYaml('f.yaml', '? [a, b]\n: 1\n');
    assert.deepEqual(value, { '[ a, b ]': 1 });
    // Node.js tells warnings in a later turn.
    await new Promise(setImmediate);
    assert.deepEqual(warnings, []);
  } finally {
    process.off('warning', hear);
  }
});

test('an alias stands for the last anchor of its name before it, and mistakes in it for its line', () => {
  const { value, line } = parseYaml('f.yaml', 'a: &x { k: 1 }\nb: *x\nc: &x\n  k: 2\nd: *x\n');
  assert.deepEqual(value, { a: { k: 1 }, b: { k: 1 }, c: { k: 2 }, d: { k: 2 } });
  assert.deepEqual([line(['b', 'k']), line(['d', 'k'])], [1, 4]);
});

test('a key in tens of thousands is compared with none of the others', () => {
  const names = Array.from({ length: 30_000 }, (_, i) => `n${i}.example`);
  const zone = names.map((name) => `${name}: { A: [x] }\n`).join('');
  write('large.yaml', `${zone}${names[0]}: { A: [192.0.2.1] }\n`);
  write('large-wrong.yaml', zone);
  const begin = performance.now();
  assert.deepEqual(mistakesIn(`${good}dns: { zone: large.yaml }`), [
    'large.yaml:30001: Map keys must be unique; expected YAML',
  ]);
  const inZone = mistakesIn(`${good}dns: { zone: large-wrong.yaml }`);
  assert.equal(inZone.length, 30_000);
  assert.match(inZone.at(-1) ?? '', /^large-wrong\.yaml:30000: n29999\.example\.A\[0\]: /);
  const unknown = mistakesIn(`${good}${names.map((name) => `${name}: 1\n`).join('')}`);
  assert.equal(unknown.length, 30_000);
  assert.match(unknown.at(-1) ?? '', /^postern\.yaml:30005: n29999\.example: unknown key; /);
  // It takes about two seconds; all with all, each of the three took minutes.
  assert.ok(performance.now() - begin < 60_000);
});

test('aliases that multiply without end are a mistake, and take no memory', () => {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `k${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join()}]`,
  );
  const [mistake = ''] = mistakesIn(['k0: &l0 [x]', ...levels].join('\n'));
  assert.match(mistake, /^postern\.yaml:1: .*alias.*; expected YAML$/i);
});

test('values that are nested too deeply for the parser are a mistake', () => {
  const [mistake = ''] = mistakesIn(`${'? '.repeat(6000)}\na`);
  assert.equal(mistake, 'postern.yaml:1: nested too deeply; expected YAML');
});

test('what is near a key or a word that there is, is named', () => {
  const hints = mistakesIn(
    `${good}    pol: { sise: 5 }\nhost_name: a\npolicy: { dmarc: rejct, temperror: anotate }\nlog: { level: loud }`,
  ).map((mistake) => mistake.replace(/^[^:]+:\d+: ([^:]+): .*?(; did you mean .*)?$/, '$1$2'));
  assert.deepEqual(hints, [
    'listeners[0].pol; did you mean pool?',
    'host_name; did you mean hostname?',
    'policy.dmarc; did you mean reject?',
    'policy.temperror; did you mean annotate?',
    'log.level',
  ]);
});

test('a variable that is not set is told with all other mistakes, and is not a wrong value as well', () => {
  const lines = ['workers: ${WORKERS}', 'dns: { zone: "${ZONE}", timeout: 5 }', 'hostname: ${NAME:-a b}'];
  assert.deepEqual(
    mistakesIn(`${good}${lines.join('\n')}`).map((mistake) => mistake.replace(/; expected .*$/, '')),
    [
      'postern.yaml:6: workers: the variable WORKERS is not set',
      'postern.yaml:7: dns.zone: the variable ZONE is not set',
      'postern.yaml:7: dns.timeout: 5 is not a time',
      'postern.yaml:8: hostname: "a b" is not a host name',
    ],
  );
});

test('a file that is not there, is a directory, or is not UTF-8 cannot be read', () => {
  const missing = mistakesOf({ file: join(directory, 'missing.yaml'), environment: {} });
  assert.match(missing.join(), /^missing\.yaml: cannot be read: ENOENT/);
  assert.match(mistakesOf({ file: directory, environment: {} }).join(), /: cannot be read: EISDIR/);
  assert.match(
    mistakesIn(Buffer.from('hostname: \xff', 'latin1')).join(),
    /^postern\.yaml: cannot be read: /,
  );
});

test('a mistake in the zone file has its line there', () => {
  write('zone.yaml', 'example.com:\n  TXT: ["v=spf1 -all"]\n  MX:\n    - mx.example.com\nother.example: 5\n');
  assert.deepEqual(
    mistakesIn(`${good}dns: { zone: zone.yaml }`).map((mistake) =>
      mistake.slice(0, mistake.indexOf('expected')),
    ),
    [
      'zone.yaml:4: example.com.MX[0]: not possible here; ',
      'zone.yaml:5: other.example: not possible here; ',
    ],
  );
});

test('a zone file that is not YAML is a mistake of that file', () => {
  write('broken-zone.yaml', 'a: [\n');
  assert.match(mistakesIn(`${good}dns: { zone: broken-zone.yaml }`).join(), /^broken-zone\.yaml:\d+: /);
});

test('a certificate that cannot be read or used is a mistake of its listener', () => {
  write('not.pem', 'not a certificate');
  assert.match(
    mistakesIn(`${good}    tls: { certificate: no.pem, key: not.pem }`).join(),
    /^postern\.yaml:6: listeners\[0\]\.tls\.certificate: .*ENOENT.*; expected a readable file$/,
  );
  assert.match(
    mistakesIn(`${good}    tls: { certificate: not.pem, key: not.pem }`).join(),
    /^postern\.yaml:6: listeners\[0\]\.tls: cannot be used: no start line; /,
  );
});

test('an empty file is no certificate and no key, as a full disk leaves it where one is renewed', () => {
  for (const [certificate, key, which] of [
    ['empty.pem', testTls('localhost.key'), 'certificate'],
    [testTls('localhost.crt'), 'empty.pem', 'key'],
    ['empty.pem', 'empty.pem', 'certificate'],
  ]) {
    write('empty.pem', '');
    assert.match(
      mistakesIn(`${good}    tls: { certificate: ${certificate}, key: ${key} }`).join(),
      new RegExp(`tls: cannot be used: the file of the ${which} is empty; expected `, 'u'),
    );
  }
});

test('a key of another certificate is said to be that', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  write('other.key', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  assert.match(
    mistakesIn(`${good}    tls: { certificate: ${testTls('localhost.crt')}, key: other.key }`).join(),
    /tls: cannot be used: the key is not that of the first certificate; expected /,
  );
});

test('mistakes of the environment name the variable', () => {
  const mistakes = mistakesOf({
    environment: {
      POSTERN_LISTEN: 'x',
      POSTERN_MODE: 'sideways',
      POSTERN_CLIENTS: '10.0.0.0/8,y',
      POSTERN_HOSTNAME: 'a b',
      POSTERN_AUTHSERV_ID: 'a b',
      POSTERN_WORKERS: '0',
      POSTERN_HTTP: 'off',
      POSTERN_DNS_ZONE: join(directory, 'missing-zone.yaml'),
    },
  });
  assert.deepEqual(mistakes.map((mistake) => mistake.slice(0, mistake.indexOf(': '))).sort(), [
    'POSTERN_AUTHSERV_ID',
    'POSTERN_CLIENTS',
    'POSTERN_DESTINATION',
    'POSTERN_DNS_ZONE',
    'POSTERN_HOSTNAME',
    'POSTERN_HTTP',
    'POSTERN_LISTEN',
    'POSTERN_MODE',
    'POSTERN_WORKERS',
  ]);
});

test('a token that is none is a mistake of its own variable, and one in the file stays that of the file', () => {
  const placesOf = (mistakes: readonly string[]) => mistakes.map((one) => one.slice(0, one.indexOf(': ')));
  const alone = { POSTERN_LISTEN: '127.0.0.1:1', POSTERN_DESTINATION: 'smtp://127.0.0.1:2' };
  for (const environment of [
    { ...alone, POSTERN_HTTP_TOKEN: 'short' },
    { ...alone, POSTERN_HTTP: '0.0.0.0:8025', POSTERN_HTTP_TOKEN: 'short' },
  ])
    assert.deepEqual(placesOf(mistakesOf({ environment })), ['POSTERN_HTTP_TOKEN']);
  const inFile = mistakesIn(`${good}http: { token: short }`, { POSTERN_HTTP: '0.0.0.0:8025' });
  assert.deepEqual(placesOf(inFile), ['postern.yaml:6']);
  assert.deepEqual(
    placesOf(mistakesIn(`${good}http: { token: ${'x'.repeat(16)} }`, { POSTERN_HTTP: 'nowhere' })),
    ['POSTERN_HTTP'],
  );
});

test('a file of rules that is not there is a mistake of the key that names it', () => {
  assert.match(
    mistakesIn(`${good}policy:\n  rulesFile: absent.yaml`).join(),
    /^postern\.yaml:7: policy\.rulesFile: absent\.yaml: cannot be read: ENOENT/,
  );
});

test('a destination without an address to listen on is not enough', () => {
  const mistakes = mistakesOf({ environment: { POSTERN_DESTINATION: 'smtp://127.0.0.1:25' } });
  assert.match(mistakes.join(), /^POSTERN_LISTEN: missing; expected host:port/);
});

test('a variable that overrides a key of the file is named, not the file', () => {
  const mistakes = mistakesIn(`hostname: a.example\n${good}`, {
    POSTERN_HOSTNAME: '-',
    POSTERN_WORKERS: 'x',
  });
  assert.deepEqual(
    mistakes.map((mistake) => mistake.slice(0, mistake.indexOf(': '))),
    ['POSTERN_HOSTNAME', 'POSTERN_WORKERS'],
  );
});
