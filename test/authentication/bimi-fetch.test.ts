// BIMI with fetching: the limits of a download from a server on loopback, and what is made of the files.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { validateVMC } from 'mailauth/lib/bimi/index.js';
import type { Outcome } from '../../src/authentication/authentication.ts';
import {
  allowedHost,
  type Download,
  DownloadError,
  httpsDownload,
} from '../../src/authentication/bimi/download.ts';
import { BimiFiles } from '../../src/authentication/bimi/files.ts';
import { type BimiOptions, bimiCheck } from '../../src/authentication/checks/bimi.ts';
import { checksSchema } from '../../src/authentication/checks.ts';
import { DnsError } from '../../src/dns/resolver.ts';
import { judge, plain, unfolded, zoneResolver } from './judge.ts';

const pem = (kind: string) =>
  readFileSync(new URL(`../support/tls/localhost.${kind}`, import.meta.url), 'utf8');
const limits = { size: 1000, timeoutMs: 5000, hosts: ['localhost'] };
const here = { localhost: { A: ['127.0.0.1'] } };
const context = (zone: unknown = here, signal = new AbortController().signal) => ({
  resolve: zoneResolver(zone).resolve,
  signal,
});

/** A web server on loopback; @returns the beginning of its URLs */
async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer({ key: pem('key'), cert: pem('crt') }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}

const download = httpsDownload(pem('crt'));

/** The error that a promise is rejected with. */
async function failure(promise: Promise<unknown>): Promise<DownloadError> {
  const error: unknown = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DownloadError, String(error));
  return error;
}

test('a file is fetched whole', async (t) => {
  const url = await serve(t, (request, response) => response.end(`it is ${request.url}`));
  assert.equal(String(await download(`${url}/logo.svg`, limits, context())), 'it is /logo.svg');
});

test('what is too large is cut off while it comes, whatever was announced', async (t) => {
  const closed = Promise.withResolvers<void>();
  const url = await serve(t, (_request, response) => {
    const write = () => {
      while (!response.destroyed && response.write('x'.repeat(500)));
    };
    response.on('drain', write).on('close', () => closed.resolve());
    write();
  });
  const { message, temporary } = await failure(download(`${url}/`, limits, context()));
  assert.equal(message, 'over 1000 bytes');
  assert.equal(temporary, false);
  await closed.promise;
});

test('what takes too long, or nobody waits for any more, ends', async (t) => {
  const url = await serve(t, (_request, response) => response.write('x'));
  const late = await failure(download(`${url}/`, { ...limits, timeoutMs: 100 }, context()));
  assert.equal(late.temporary, true);
  assert.match(late.message, /100 ms/);
  const abort = new AbortController();
  const waiting = failure(download(`${url}/`, limits, context(here, abort.signal)));
  abort.abort();
  assert.equal((await waiting).temporary, true);
});

const answers: readonly (readonly [string, RequestListener, string, boolean])[] = [
  ['not found', (_, response) => response.writeHead(404).end(), 'status 404', false],
  ['server in trouble', (_, response) => response.writeHead(503).end(), 'status 503', true],
  [
    'redirect, which is not followed',
    (_, response) => response.writeHead(302, { location: 'https://127.0.0.1/' }).end(),
    'status 302',
    false,
  ],
  ['connection that is cut', (_, response) => response.destroy(), 'socket hang up', true],
];
for (const [what, listener, message, temporary] of answers) {
  test(`a ${what}`, async (t) => {
    const url = await serve(t, listener);
    const error = await failure(download(`${url}/`, limits, context()));
    assert.deepEqual([error.message, error.temporary], [message, temporary]);
  });
}

test('a server whose certificate nobody vouches for is not believed', async (t) => {
  const url = await serve(t, (_request, response) => response.end('x'));
  const { temporary, message } = await failure(httpsDownload()(`${url}/`, limits, context()));
  assert.equal(temporary, false);
  assert.match(message, /self.signed/);
});

test('nothing is fetched from private addresses, whatever a stranger has them called', async () => {
  const open = { ...limits, hosts: [] };
  for (const address of [
    { A: ['127.0.0.1'] },
    { A: ['10.0.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1'] },
    { AAAA: ['::1', 'fe80::1', 'fc00::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::'] },
  ]) {
    const zone = { 'brand.example': address };
    const error = await failure(download('https://brand.example/x', open, context(zone)));
    assert.equal(error.message, 'brand.example has no public address');
    assert.equal(error.temporary, false);
  }
  const gone = await failure(download('https://brand.example/x', open, context({})));
  assert.deepEqual([gone.message, gone.temporary], ['brand.example has no address', true]);
});

test('which URLs may be fetched', () => {
  const listed = { ...limits, hosts: ['brand.example'] };
  assert.equal(allowedHost('https://brand.example/x', listed), 'brand.example');
  assert.equal(allowedHost('https://CDN.Brand.Example./x', listed), 'cdn.brand.example');
  assert.equal(allowedHost('https://brand.example:8443/x', listed), 'brand.example');
  const open = { ...limits, hosts: [] };
  assert.equal(allowedHost('https://any.example/x', open), 'any.example');
  for (const [url, asked] of [
    ['http://brand.example/x', listed],
    ['https://notbrand.example/x', listed],
    ['https://brand.example.evil.example/x', listed],
    ['https://user@brand.example/x', listed],
    ['https://brand.example:25/x', open],
    ['https://127.0.0.1/x', open],
    ['https://0x7f.1/x', open],
    ['https://[::1]/x', open],
    ['file:///etc/passwd', open],
    ['nonsense', open],
  ] as const) {
    assert.equal(allowedHost(url, asked), undefined, url);
  }
});

test('files and failures are kept for a while, so that a brand’s web server sees few of us', async () => {
  const asked: string[] = [];
  const files = new BimiFiles(async (url) => {
    asked.push(url);
    if (url.endsWith('bad')) throw new DownloadError('status 404', false);
    return Buffer.from(url);
  });
  const url = 'https://brand.example/';
  for (let i = 0; i < 3; i++) {
    assert.equal(String(await files.get(url, limits, context())), url);
    assert.equal((await failure(files.get(`${url}bad`, limits, context()))).message, 'status 404');
  }
  assert.deepEqual(asked, [url, `${url}bad`]);
});

test('a download that its message did not wait for says nothing about the next', async () => {
  const abort = new AbortController();
  let count = 0;
  const files = new BimiFiles(async () => {
    if (count++ > 0) return Buffer.from('x');
    abort.abort();
    throw new DownloadError('not complete', true);
  });
  await failure(files.get('https://brand.example/', limits, context(here, abort.signal)));
  assert.equal(String(await files.get('https://brand.example/', limits, context())), 'x');
});

test('messages of one brand that arrive together wait for one download', async () => {
  const gate = Promise.withResolvers<Buffer>();
  const asked: string[] = [];
  const files = new BimiFiles((url) => {
    asked.push(url);
    return gate.promise;
  });
  const url = 'https://brand.example/';
  const all = Array.from({ length: 30 }, () => files.get(url, limits, context()));
  gate.resolve(Buffer.from('x'));
  assert.deepEqual(
    (await Promise.all(all)).map(String),
    all.map(() => 'x'),
  );
  assert.deepEqual(asked, [url]);
});

test('whoever waits for the download of a message that is given up fetches the file itself, in its own time', async () => {
  const [first, second] = [new AbortController(), new AbortController()];
  let count = 0;
  const files = new BimiFiles((_url, _limits, { signal }) => {
    if (count++ > 0) return Promise.resolve(Buffer.from('x'));
    const { promise, reject } = Promise.withResolvers<Buffer>();
    signal.addEventListener('abort', () => reject(new DownloadError('not complete', true)));
    return promise;
  });
  const url = 'https://brand.example/';
  const givenUp = failure(files.get(url, limits, context(here, first.signal)));
  const impatient = failure(files.get(url, limits, context(here, second.signal)));
  const waiting = files.get(url, limits, context());
  second.abort();
  assert.equal((await impatient).temporary, true);
  first.abort();
  assert.equal((await givenUp).message, 'not complete');
  assert.equal(String(await waiting), 'x');
});

test('a message whose time for names is used up says nothing about the next', async (t) => {
  const url = await serve(t, (_request, response) => response.end('x'));
  const files = new BimiFiles(download);
  const used = { ...context(), resolve: () => Promise.reject(new DnsError('ETIMEOUT', 'localhost', 'A')) };
  assert.equal((await failure(files.get(url, limits, used))).message, 'localhost has no address');
  assert.equal(String(await files.get(url, limits, context())), 'x');
});

test('strangers cannot have any number of downloads open', async () => {
  const gate = Promise.withResolvers<Buffer>();
  const files = new BimiFiles(() => gate.promise);
  const open = Array.from({ length: 20 }, (_, i) => files.get(`https://b.example/${i}`, limits, context()));
  const { message, temporary } = await failure(files.get('https://b.example/more', limits, context()));
  assert.deepEqual([message, temporary], ['too many downloads at a time', true]);
  gate.resolve(Buffer.from('x'));
  await Promise.all(open);
  assert.equal(String(await files.get('https://b.example/more', limits, context())), 'x');
});

// A real mark certificate of the past, with its logo inside.
const certificate = readFileSync(
  new URL('../../node_modules/@postalsys/vmc/test/fixtures/paypal_vmc.pem', import.meta.url),
);
const then = new Date('2025-01-01T00:00:00Z');
const brand = 'paypal.com';
const inside = await validateVMC({ authorityPath: certificate } as never, { now: then });
const logo = Buffer.from(inside === false ? '' : inside.authority?.vmc?.logoFile, 'base64');
const simple = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" version="1.2" baseProfile="tiny-ps"><title>x</title></svg>',
);

/** The certificates of the file, the mark certificate first, one of them with other bytes of the same length. */
function forged(which: number, from: string, to: string): Buffer {
  const all = String(certificate).match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
  const changed = all.map((text, i) => {
    const { raw } = new X509Certificate(text);
    const bytes = i === which ? Buffer.from(raw.toString('latin1').replaceAll(from, to), 'latin1') : raw;
    return `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64')}\n-----END CERTIFICATE-----\n`;
  });
  return Buffer.from(changed.join(''));
}

interface Brand {
  readonly domain?: string;
  readonly location?: Buffer | DownloadError;
  readonly authority?: Buffer | DownloadError;
  readonly now?: Date;
  readonly fetch?: Partial<BimiOptions['fetch']>;
}

/** A message of a brand, whose web server has these files. */
async function judgeBrand({
  domain = brand,
  location,
  authority,
  now = then,
  fetch,
}: Brand): Promise<Outcome> {
  const web: Download = async (url) => {
    const file = url.endsWith('.svg') ? location : authority;
    if (Buffer.isBuffer(file)) return file;
    throw file ?? assert.fail(`${url} should not have been asked for`);
  };
  const check = bimiCheck(web);
  const options =
    checksSchema.parse({ bimi: { fetch: { hosts: [], ...(fetch || {}) } } }).bimi || assert.fail();
  const evidence = authority ? '; a=https://brand.example/mark.pem' : '';
  return judge({
    from: `a@${domain}`,
    zone: {
      [domain]: { TXT: ['v=spf1 ip4:192.0.2.10 -all'] },
      [`_dmarc.${domain}`]: { TXT: ['v=DMARC1; p=reject'] },
      [`default._bimi.${domain}`]: { TXT: [`v=BIMI1; l=https://brand.example/logo.svg${evidence}`] },
    },
    message: plain.replace('alice@example.com', `a@${domain}`),
    checks: { iprev: false, arc: false },
    options: {
      clock: () => now,
      customChecks: [
        {
          name: check.name,
          skippedFor: check.skippedFor,
          stages: { endOfMessage: async (all) => check.endOfMessage?.(all, options) },
        },
      ],
    },
  });
}

const result = (outcome: Outcome) => unfolded(outcome).split('; bimi=').at(-1) ?? '';
const field = (outcome: Outcome, name: string) =>
  outcome.fields.find((each) => each.startsWith(`${name}:`))?.slice(name.length + 1);
const uri = 'policy.authority-uri="https://brand.example/mark.pem"';
const found = (domain = brand) => `header.d=${domain} header.selector=default`;

test('a certified indicator is added with its location and evidence, in lines of allowed length', async () => {
  const outcome = await judgeBrand({ location: logo, authority: certificate });
  assert.match(
    result(outcome),
    new RegExp(`^pass ${found()} policy\\.authority=pass ${uri} policy\\.indicator-hash=[0-9a-f]{8}$`),
  );
  assert.equal(
    field(outcome, 'BIMI-Location')?.replace(/\r\n/g, ''),
    ' v=BIMI1; l=https://brand.example/logo.svg;  a=https://brand.example/mark.pem',
  );
  const indicator = field(outcome, 'BIMI-Indicator') ?? '';
  assert.deepEqual(Buffer.from(indicator.replace(/\s/g, ''), 'base64'), logo);
  assert.ok(indicator.split('\r\n').every((line) => line.length <= 100));
});

test('an indicator without evidence is added too, and says that it is not certified', async () => {
  const outcome = await judgeBrand({ domain: 'example.com', location: simple });
  assert.match(
    result(outcome),
    /^pass header\.d=example\.com header\.selector=default policy\.authority=none policy\.indicator-hash=/,
  );
  assert.equal(field(outcome, 'BIMI-Location'), ' v=BIMI1; l=https://brand.example/logo.svg\r\n');
});

test('a compressed indicator is added uncompressed', async () => {
  const outcome = await judgeBrand({ domain: 'example.com', location: gzipSync(simple) });
  const indicator = field(outcome, 'BIMI-Indicator') ?? '';
  assert.deepEqual(Buffer.from(indicator.replace(/\s/g, ''), 'base64'), simple);
});

const svg = (inner: string) => Buffer.from(String(simple).replace('<title>', `${inner}<title>`));
const wrong: readonly (readonly [string, Brand, RegExp])[] = [
  [
    'an indicator that the certificate is not for',
    { location: simple, authority: certificate },
    /^fail reason="mark certificate: .*" .*policy\.authority=fail/,
  ],
  [
    'a certificate of another domain',
    { domain: 'example.com', location: logo, authority: certificate },
    /^fail reason="mark certificate: Domain can not be verified" .*policy\.authority=fail/,
  ],
  [
    'a certificate that has expired',
    { location: logo, authority: certificate, now: new Date('2026-01-01') },
    /^fail reason="mark certificate: .*expired.*" .*policy\.authority=fail/,
  ],
  [
    'a certificate that is none',
    { location: logo, authority: Buffer.from('nonsense') },
    /^fail reason="mark certificate: /,
  ],
  [
    'a certificate in which somebody has written a domain of his own',
    { domain: 'attack.com', location: logo, authority: forged(0, 'paypal.com', 'attack.com') },
    /^fail reason="mark certificate: its signatures do not lead to an authority for marks" .*policy\.authority=fail/,
  ],
  [
    'a certificate by an authority that gave itself more time',
    { location: logo, authority: forged(1, '360630235959Z', '460630235959Z') },
    /^fail reason="mark certificate: its signatures do not lead to an authority for marks"/,
  ],
  [
    // Its library would look for the end of each of them to the end of the file: for a minute.
    'a file in which thousands of certificates begin',
    { location: logo, authority: Buffer.from('-----BEGIN a---'.repeat(4000)) },
    /^fail reason="mark certificate: its signatures do not lead to an authority for marks"/,
  ],
  [
    'a certificate of a web server',
    { location: logo, authority: Buffer.from(pem('crt')), now: new Date() },
    /^fail reason="mark certificate: /,
  ],
  [
    'a file that is no SVG',
    { domain: 'example.com', location: Buffer.from('<html></html>') },
    /^fail reason="indicator: Invalid SVG file"/,
  ],
  [
    'bytes that are nothing',
    { domain: 'example.com', location: Buffer.from([0, 255, 254, 60]) },
    /^fail reason="indicator: /,
  ],
  ['an empty file', { domain: 'example.com', location: Buffer.alloc(0) }, /^fail reason="indicator: /],
  [
    'an SVG with a script',
    { domain: 'example.com', location: svg('<script>x</script>') },
    /^fail reason="indicator: Unallowed element/,
  ],
  [
    'an SVG that refers elsewhere',
    { domain: 'example.com', location: svg('<image xlink:href="https://evil.example/"/>') },
    /^fail reason="indicator: External reference/,
  ],
  [
    'an SVG with a script that has a prefix',
    { domain: 'example.com', location: svg('<s:script xmlns:s="http://www.w3.org/2000/svg">x</s:script>') },
    /^fail reason="indicator: the indicator has an element that SVG Tiny PS does not have"/,
  ],
  [
    'an SVG that holds a page',
    { domain: 'example.com', location: svg('<foreignObject><a/></foreignObject>') },
    /^fail reason="indicator: the indicator has an element that SVG Tiny PS does not have"/,
  ],
  [
    'an SVG that acts',
    { domain: 'example.com', location: svg('<g onload = "x"/>') },
    /^fail reason="indicator: the indicator has an event handler"/,
  ],
  [
    'an SVG that says so in another alphabet',
    { domain: 'example.com', location: svg('<g on\x1b(Bload="x"/>') },
    /^fail reason="indicator: the indicator has control characters"/,
  ],
  [
    'an SVG that acts by what its DTD declares',
    {
      domain: 'example.com',
      location: Buffer.from(`<!DOCTYPE svg [<!ATTLIST svg onload CDATA "x">]>${simple}`),
    },
    /^fail reason="indicator: the indicator has declarations"/,
  ],
  ...[
    '<h:img xmlns:h="http://www.w3.org/1999/xhtml" src="https://evil.example/x"/>',
    "<h:meta xmlns:h = 'http://www.w3.org/1999/&#120;html' content='0;url=https://evil.example/'/>",
  ].map((inner): (typeof wrong)[number] => [
    `an SVG with HTML: ${inner}`,
    { domain: 'example.com', location: svg(inner) },
    /^fail reason="indicator: the indicator has elements of HTML"/,
  ]),
  [
    'an SVG of thousands of tags',
    { domain: 'example.com', location: svg('<g/>'.repeat(2000)) },
    /^fail reason="indicator: the indicator has over 2000 tags"/,
  ],
  ...[
    '<use href="https://evil.example/x"/>',
    '<style>@import "x"</style>',
    '<g fill="url( https://evil.example/)"/>',
  ].map((inner): (typeof wrong)[number] => [
    `an SVG that reaches out with ${inner}`,
    { domain: 'example.com', location: svg(inner) },
    /^fail reason="indicator: the indicator has a reference to something outside"/,
  ]),
  [
    'an SVG that reaches out in disguise',
    { domain: 'example.com', location: svg('<style>&#64;import "x"</style>') },
    /^fail reason="indicator: the indicator has styles with escapes"/,
  ],
  [
    'an SVG that refers to parts of its own',
    {
      domain: 'example.com',
      location: svg('<g id="a"/><use xlink:href = "#a"/><g fill="url( #a )" style="fill:url(\'#a\')"/>'),
    },
    /^pass /,
  ],
  [
    'an SVG with entities',
    {
      domain: 'example.com',
      location: Buffer.concat([Buffer.from('<!DOCTYPE x [<!ENTITY a "b">]>'), simple]),
    },
    /^fail reason="indicator: the indicator has declarations"/,
  ],
  [
    'a bomb',
    { domain: 'example.com', location: gzipSync(Buffer.alloc(10_000_000)) },
    /^fail reason="indicator: the indicator cannot be uncompressed, or is too large"/,
  ],
  [
    'an indicator that is too large',
    { domain: 'example.com', location: svg('<g/>'.repeat(20_000)) },
    /^fail reason="indicator: the indicator has over 49152 bytes"/,
  ],
  [
    'an indicator that is nested deeply',
    { domain: 'example.com', location: svg('<g>'.repeat(15_000)) },
    /^(?:fail|pass) /,
  ],
  [
    'an indicator that cannot be had now',
    { location: new DownloadError('status 503', true), authority: certificate },
    /^temperror reason="indicator: status 503"/,
  ],
  [
    'an indicator that is not there',
    { location: new DownloadError('status 404', false), authority: certificate },
    /^fail reason="indicator: status 404"/,
  ],
  [
    'a certificate that cannot be had now',
    { location: logo, authority: new DownloadError('status 503', true) },
    /^temperror /,
  ],
];
for (const [what, given, expected] of wrong) {
  test(`bimi, fetched: ${what}`, async () => {
    const outcome = await judgeBrand(given);
    assert.match(result(outcome), expected);
    if (!result(outcome).startsWith('pass')) assert.equal(field(outcome, 'BIMI-Location'), undefined);
    if (!result(outcome).startsWith('pass')) assert.equal(field(outcome, 'BIMI-Indicator'), undefined);
  });
}

test('bimi, fetched: from hosts that are not listed nothing is, and the location stands alone', async () => {
  const outcome = await judgeBrand({ authority: certificate, fetch: { hosts: ['other.example'] } });
  assert.equal(
    result(outcome),
    `pass (not fetched: no allowed host) ${found()} policy.authority=none ${uri}`,
  );
  assert.equal(field(outcome, 'BIMI-Location'), ' v=BIMI1; l=https://brand.example/logo.svg\r\n');
  assert.equal(field(outcome, 'BIMI-Indicator'), undefined);
});

test('the options of fetching carry units', () => {
  const { bimi } = checksSchema.parse({ bimi: { fetch: {} } });
  assert.ok(bimi);
  assert.deepEqual(bimi.fetch, { size: 65_536, timeout: 3000, hosts: [] });
  for (const fetch of [
    { size: '2MiB' },
    { size: 'much' },
    { timeout: '5' },
    { timeout: '0s' },
    { hosts: ['a b'] },
    true,
  ]) {
    assert.equal(checksSchema.safeParse({ bimi: { fetch } }).success, false, JSON.stringify(fetch));
  }
});
