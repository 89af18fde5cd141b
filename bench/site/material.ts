// What is sent: messages of given sizes with one RSA-2048 DKIM signature, their envelope, and the names that judge them.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { makeKey, passingZone, sign } from '../../test/support/signing.ts';

/** Who sends. */
export const envelope = {
  ip: '192.0.2.10',
  helo: 'client.example.com',
  sender: 'alice@example.com',
};

/** The same for XFORWARD. */
export const xforward = {
  NAME: envelope.helo,
  ADDR: envelope.ip,
  PORT: '40000',
  PROTO: 'ESMTP',
  HELO: envelope.helo,
  IDENT: 'ID',
  SOURCE: 'REMOTE',
};

/** Sizes are in thousands, as messages' sizes are told. */
export const sizes = {
  '1KB': 1e3,
  '10KB': 1e4,
  '100KB': 1e5,
  '1MB': 1e6,
  '5MB': 5e6,
  '10MB': 1e7,
  '25MB': 25e6,
  '50MB': 50e6,
} as const;
export type Size = keyof typeof sizes;

const words =
  'all work and no play makes Jack a dull boy while the quick brown fox jumps over lazy dogs'.split(' ');
/** One line in so many begins with a dot. */
const dotEvery = 100;

const header = [
  'Received: from client.example.com (client.example.com [192.0.2.10]) by mx.example.org with ESMTP id 4XyZ; Mon, 5 Jan 2026 10:00:01 +0000',
  'From: Alice <alice@example.com>',
  'To: Bob <bob@example.net>',
  'Subject: What was said on Monday',
  'Date: Mon, 5 Jan 2026 10:00:00 +0000',
  'Message-ID: <1@example.com>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=us-ascii',
  '',
  '',
].join('\r\n');

/** Lines of prose. */
function prose(bytes: number): string {
  const lines: string[] = [];
  let length = 0;
  for (let i = 1; length < bytes; i++) {
    const line = Array.from({ length: 14 }, (_, j) => words[(i * 7 + j * (1 + (i % 5))) % words.length]).join(
      ' ',
    );
    lines.push(i % dotEvery === 0 ? `.${line}` : line);
    length += line.length + 2;
  }
  return `${lines.join('\r\n').slice(0, Math.max(0, bytes - 3))}.\r\n`;
}

export class Material {
  readonly directory: string;
  readonly zoneFile: string;
  readonly #key = makeKey('example.com', 's1');

  /** @param directory where files are made; it is its owner who removes it */
  constructor(directory: string) {
    this.directory = directory;
    this.zoneFile = join(directory, 'zone.yaml');
    const zone = passingZone(this.#key);
    writeFileSync(this.zoneFile, stringify(zone));
  }

  /** @returns the file of a message of this size, which is made when it is first asked for */
  async message(size: Size): Promise<string> {
    const file = join(this.directory, `${size}.eml`);
    if (existsSync(file)) return file;
    const signature = (await sign(header, this.#key)).length - header.length;
    const body = prose(Math.max(10, sizes[size] - header.length - signature));
    writeFileSync(file, await sign(header + body, this.#key));
    return file;
  }
}
