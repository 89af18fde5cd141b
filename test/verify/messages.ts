// Messages for `postern verify`, and the zone and configuration by which they are judged, as files of a directory.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { stringify } from 'yaml';
import { plain } from '../authentication/judge.ts';
import { makeKey, sign } from '../support/signing.ts';

/** Gone when the tests of the file are over. */
export const directory = mkdtempSync(join(tmpdir(), 'postern-verify-'));
after(() => rmSync(directory, { recursive: true }));

/** @returns the path of a file in the directory */
export function write(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const key = makeKey('example.com', 's1');
export const listKey = makeKey('list.example', 'l1');
export const signed = await sign(plain, key);
export const good = write('good.eml', signed);
export const changed = write('changed.eml', signed.toString().replace('A body.', 'B body.'));
/** Its domain's name server does not answer. */
export const broken = write('broken.eml', 'From: a@broken.example\r\n\r\nbody\r\n');
export const zone = write(
  'zone.yaml',
  stringify({
    ...key.zone,
    ...listKey.zone,
    'example.com': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
    '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject'] },
    'client.example.com': { A: ['192.0.2.10'] },
    '10.2.0.192.in-addr.arpa': { PTR: ['client.example.com'] },
    'nowhere.example': { TXT: ['no record of ours'] },
    'broken.example': { TXT: 'SERVFAIL' },
    '_dmarc.broken.example': { TXT: 'SERVFAIL' },
  }),
);
/** No listener: none is needed. */
export const config = write(
  'postern.yaml',
  stringify({ hostname: 'mx.example.org', policy: { dmarc: 'reject' } }),
);

/** Whom SPF allows, and who is none of them. */
export const client = { ip: '192.0.2.10', helo: 'client.example.com', from: 'alice@example.com' };
export const stranger = { ip: '198.51.100.1', helo: 'evil.example', from: 'alice@example.com' };

/** A field's text in one line. */
export const unfold = (field: string) => field.replace(/\r?\n[ \t]+/g, ' ');
