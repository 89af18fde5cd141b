// Messages made to cost their reader as much as possible, each with the names that its reader will ask for.
import { sealMessage } from 'mailauth/lib/arc/index.js';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import { maxFields } from '../src/message/header-section.ts';
import { makeKey, passingZone, type SigningKey } from '../test/support/signing.ts';

export interface WorstCase {
  readonly name: string;
  readonly message: Buffer;
  readonly zone: Readonly<Record<string, unknown>>;
}

const key = makeKey('example.com', 's1');
const author = 'From: Alice <alice@example.com>';
const fields = [
  author,
  'To: bob@example.net',
  'Subject: hello',
  'Date: Mon, 5 Jan 2026 10:00:00 +0000',
  'Message-ID: <1@example.com>',
];
const line = 'All work and no play makes Jack a dull boy, and so on to the end of the line.\r\n';

const zone = passingZone(key);

function message(header: readonly string[], body = line): Buffer {
  return Buffer.from(`${header.map((field) => `${field}\r\n`).join('')}\r\n${body}`, 'latin1');
}

interface SignOptions {
  readonly maxBodyLength?: number;
  readonly headerList?: readonly string[];
}

/** The signature field, without its line end. */
async function signature(of: Buffer, by: SigningKey, options: SignOptions = {}): Promise<string> {
  const { domain: signingDomain, selector, privateKey } = by;
  const { signatures, errors } = await dkimSign(of, {
    signingDomain,
    selector,
    privateKey,
    strict: true,
    ...(options.headerList && { headerList: options.headerList.join(':') }),
    signatureData: [
      {
        signingDomain,
        selector,
        privateKey,
        ...(options.maxBodyLength !== undefined && { maxBodyLength: options.maxBodyLength }),
      },
    ],
  });
  if (errors[0]) throw errors[0].err;
  return signatures.trimEnd();
}

/** What most messages are like: one signature, one author, the given size. */
export async function ordinary(sizeBytes: number): Promise<WorstCase> {
  const body = line.repeat(Math.max(1, Math.ceil((sizeBytes - 1000) / line.length)));
  const unsigned = message(fields, body);
  return {
    name: 'ordinary',
    message: message([await signature(unsigned, key), ...fields], body),
    zone,
  };
}

/** A message of the author that only a signature is added to. */
async function signed(name: string, header: readonly string[], body = line): Promise<WorstCase> {
  const sign = await signature(message(header, body), key);
  return { name, message: message([sign, ...header], body), zone };
}

async function manySignatures(field = 'DKIM-Signature'): Promise<WorstCase> {
  const sign = (await signature(message(fields), key)).replace(/^DKIM-Signature/, field);
  return {
    name: `1,000 ${field} fields of one domain`,
    message: message([...Array.from({ length: 1000 }, () => sign), ...fields]),
    zone,
  };
}

async function manySigners(): Promise<WorstCase> {
  const body = line.repeat(1000);
  const unsigned = message(fields, body);
  const all = { ...zone };
  const signatures: string[] = [];
  for (let i = 0; i < 1000; i++) {
    const signer = { ...key, domain: `d${i}.example` };
    Object.assign(all, { [`s1._domainkey.d${i}.example`]: { TXT: [key.record] } });
    const made =
      i < 60 ? await signature(unsigned, signer, { maxBodyLength: 1000 + 777 * i }) : signatures[0];
    signatures.push((made ?? '').replace('d=d0.example', `d=d${i}.example`));
  }
  return {
    name: '1,000 signers, each with another l=',
    message: message([...signatures, ...fields], body),
    zone: all,
  };
}

async function arcSets(
  count: number,
  results: string,
  large: readonly string[] = [],
  bits = 2048,
): Promise<WorstCase> {
  let sealed = message([...fields, ...large]);
  const headerList = ['From', ...large.map((field) => field.split(':', 1)[0])].join(':');
  const sealer = makeKey('list.example', 'arc', 'rsa', bits);
  const { domain: signingDomain, selector, privateKey } = sealer;
  for (let i = 1; i <= count; i++) {
    const cv = i === 1 ? 'none' : 'pass';
    const authResults = `list.example; ${results}`;
    const options = {
      signingDomain,
      selector,
      privateKey,
      authResults,
      cv,
      headerList,
      strict: true,
    } as const;
    sealed = Buffer.concat([await sealMessage(sealed, options), sealed]);
  }
  return {
    name: `${count} ARC sets in ${Math.round(sealed.length / 1000)} kB`,
    message: sealed,
    zone: { ...zone, ...sealer.zone },
  };
}

/** All the RSA that one message can bring, each key as large as has to be taken. */
async function strongKeys(): Promise<WorstCase> {
  const strong = makeKey('example.com', 'strong', 'rsa', 4096);
  const signatures: string[] = [];
  for (let i = 0; i < 10; i++) signatures.push(await signature(message(fields), strong));
  const chain = await arcSets(35, 'spf=pass', signatures, 4096);
  return {
    name: '35 ARC sets and ten signatures by keys of 4096 bits',
    message: chain.message,
    zone: { ...chain.zone, ...strong.zone },
  };
}

/** The 51st set, which nobody may make, is a copy of the first with another number. */
async function arcSet51(): Promise<WorstCase> {
  const { message: sealed, zone: names } = await arcSets(50, 'spf=pass');
  const [header = '', body = ''] = sealed.toString('latin1').split('\r\n\r\n');
  const set = (await arcSets(1, 'spf=pass')).message.toString('latin1').split('From:')[0] ?? '';
  return {
    name: 'an ARC set numbered 51',
    message: Buffer.from(`${set.replace(/\bi=1;/g, 'i=51;')}${header}\r\n\r\n${body}`, 'latin1'),
    zone: names,
  };
}

/** Ten valid signatures, each over all of a header section of half a megabyte. */
async function allSigned(): Promise<WorstCase> {
  const names = Array.from({ length: 250 }, (_, i) => `X-${i}`);
  const header = [...fields, ...names.map((name) => `${name}: ${'word  '.repeat(350)}`)];
  const unsigned = message(header);
  const signatures: string[] = [];
  const headerList = ['From', ...names];
  for (let i = 0; i < 10; i++) signatures.push(await signature(unsigned, key, { headerList }));
  return { name: 'ten signatures over 500 kB of header', message: message([...signatures, ...header]), zone };
}

/** A field that says it was signed by a key of this record, ten times. */
function keyed(name: string, record: string): WorstCase {
  const tags = (i: number) =>
    `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=k${i}; h=from; bh=${bodyHash}; b=${'A'.repeat(300)}`;
  const names = Array.from({ length: 10 }, (_, i) => [`k${i}._domainkey.example.com`, { TXT: [record] }]);
  return {
    name,
    message: message([...Array.from({ length: 10 }, (_, i) => tags(i)), ...fields]),
    zone: { ...zone, ...Object.fromEntries(names) },
  };
}

let bodyHash = '';

/** An RSA public key of any numbers: nobody has to have the private one. */
function rsaRecord(bits: number, exponentBits: number): string {
  const integer = (size: number) => {
    const bytes = Buffer.alloc(size / 8, 0xff);
    return der(0x02, Buffer.concat([Buffer.of(0), bytes]));
  };
  return `v=DKIM1; p=${der(0x30, Buffer.concat([integer(bits), integer(exponentBits)])).toString('base64')}`;
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

const repeat = (field: string, count: number) => Array.from({ length: count }, () => field);
const tags = 'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s1; bh=AA==; b=AA==';
const rest = fields.slice(1);

export async function worstCases(): Promise<readonly WorstCase[]> {
  bodyHash = /bh=([^;]+)/.exec(await signature(message(fields), key))?.[1]?.replace(/\s/g, '') ?? '';
  const plain = (name: string, header: readonly string[], body?: string): WorstCase => ({
    name,
    message: message(header, body),
    zone,
  });
  return [
    plain('no From', rest),
    plain('ten From', [...repeat(author, 10), ...rest]),
    plain('nothing at all', [], ''),
    await signed('5,000 Received', [
      ...repeat('Received: from a.example by b.example; Mon, 5 Jan 2026 10:00:00 +0000', 5000),
      ...fields,
    ]),
    await signed('200 kB of Subject in one line', [author, `Subject: ${'word '.repeat(40_000)}.`]),
    // By hand: the library that signs needs seconds for it.
    plain('Subject folded into 70,000 lines', [
      `${tags}; h=from:subject`,
      author,
      `Subject:${'\r\n a'.repeat(70_000)}`,
    ]),
    plain('Subject folded into 70,000 empty lines', [author, `Subject:${'\r\n '.repeat(70_000)}`]),
    plain('From folded before its colon', [`From${'\r\n '.repeat(70_000)}: a@example.com`]),
    await manySignatures(),
    await manySignatures('X-Google-DKIM-Signature'),
    await manySigners(),
    await allSigned(),
    plain('1,000 signatures of a bad kind', [...repeat(`${tags}; h=from; i=@@@@`, 1000), ...fields]),
    plain('h= with 7,000 names', [...repeat(`${tags}; h=from${':a'.repeat(7000)}`, 10), ...fields]),
    plain('h= with 300 names, 5,000 fields', [
      ...repeat(`${tags}; h=from${':a'.repeat(299)}`, 10),
      ...repeat('b: c', 5000),
      ...fields,
    ]),
    plain('h= with 100,000 names', [`${tags}; h=from${':a'.repeat(100_000)}`, ...fields]),
    plain('signatures with 5,000 tags', [...repeat(`${tags}; h=from${';x=1'.repeat(3900)}`, 10), ...fields]),
    plain('signatures full of white space', [
      ...repeat(`${tags}; h=from; z=a${' '.repeat(16_000)}b`, 10),
      ...fields,
    ]),
    plain('ARC-Seal full of white space', [`ARC-Seal: i=1; a=b${' '.repeat(60_000)}c`, ...fields]),
    plain('ARC-Authentication-Results of 60,000 semicolons', [
      'ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.com; s=s1; b=AA==',
      'ARC-Message-Signature: i=1; a=rsa-sha256; d=example.com; s=s1; h=from; bh=AA==; b=AA==',
      `ARC-Authentication-Results: i=1; a${';'.repeat(60_000)}`,
      ...fields,
    ]),
    await arcSets(50, 'spf=pass smtp.mailfrom=example.com'),
    await arcSets(50, `spf=pass (${'x '.repeat(60)})`),
    await arcSets(15, `spf=pass (${'x '.repeat(10_000)})`),
    await arcSets(30, `spf=pass (${'x '.repeat(1000)})`),
    await arcSets(20, `spf=pass (${'x '.repeat(1900)})`),
    await arcSets(
      50,
      'spf=pass',
      Array.from({ length: 30 }, (_, i) => `X-${i}: ${'word  '.repeat(700)}`),
    ),
    await strongKeys(),
    await arcSet51(),
    plain('5,000 ARC-Seal', [...repeat('ARC-Seal: i=1; a=rsa-sha256; cv=none', 5000), ...fields]),
    plain('From with 100,000 addresses', [`From: ${'a@b, '.repeat(100_000)}c@d`, ...rest]),
    plain('From with 1,600 addresses', [`From: ${'a@b, '.repeat(1600)}c@d`, ...rest]),
    plain('From with 1,000 domains', [
      `From: ${Array.from({ length: 900 }, (_, i) => `a@${i}.b`).join(', ')}`,
      ...rest,
    ]),
    plain('From of nested groups', [`From: ${'a:'.repeat(4000)}b@c${';'.repeat(50)}`, ...rest]),
    plain('From of nested groups with addresses', [
      `From: ${'a:'.repeat(45)}${'b@c,'.repeat(1900)}${';'.repeat(45)}`,
      ...rest,
    ]),
    plain('From of deep comments', [`From: ${'('.repeat(4000)}${')'.repeat(4000)} a@b`, ...rest]),
    plain('From of endless deep comments', [
      `From: ${'('.repeat(100_000)}${')'.repeat(100_000)} a@b`,
      ...rest,
    ]),
    plain('From with a long word after its @', [`From: a@${'b'.repeat(8000)}@`, ...rest]),
    plain('From of @', [`From: ${'@'.repeat(8000)}`, ...rest]),
    plain('5,000 From', [...repeat('From: a@b', 5000), ...rest]),
    plain('Authentication-Results forged 2,000 times', [
      ...repeat('Authentication-Results: mx.example.org; dkim=pass header.d=bank.example', 2000),
      ...fields,
    ]),
    plain('Authentication-Results of 200 kB comments', [
      `Authentication-Results: ${'('.repeat(100_000)}${')'.repeat(100_000)} mx.example.org; none`,
      ...fields,
    ]),
    ...Object.entries({
      'tiny fields': 'a:b',
      'folded names': 'a\r\n :b',
      From: 'From:a',
      'lines with an empty name': ': x',
      'lines that are no fields': 'x',
      'fields of a hundred octets': `a: ${'b'.repeat(97)}`,
      'folded names of a hundred octets': `a\r\n :${'b'.repeat(97)}`,
      'lines of a hundred octets that are no fields': 'x'.repeat(100),
    }).map(([what, field]) =>
      plain(`as many ${what} as a message may have`, [
        ...fields,
        ...repeat(field, maxFields - fields.length),
      ]),
    ),
    keyed('keys of 16,384 bits', rsaRecord(16_384, 24)),
    keyed('keys with huge exponents', rsaRecord(2048, 2048)),
    keyed('key records of 70 kB', `v=DKIM1; p=${'A'.repeat(70_000)}`),
    await signed('a body of one line', fields, 'word '.repeat(400_000)),
    await signed('a body of empty lines', fields, `${'\r\n'.repeat(1_000_000)}.\r\n`),
    await signed('a body of white space', fields, `${' \t'.repeat(1_000_000)}.\r\n`),
    plain('a body of bare LF', fields, '\n'.repeat(1_000_000)),
    plain('a body of bare CR', fields, '\r'.repeat(1_000_000)),
  ];
}
