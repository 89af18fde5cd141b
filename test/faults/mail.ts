// The messages of a run: each has an id, a digest, and places where a careless relay would alter it.
import { createHash } from 'node:crypto';
import type { Random } from './random.ts';

/** A message, ready to be sent. */
export interface Mail {
  readonly id: string;
  /** What follows 354 without the final dot: dots are stuffed, the last line is ended. */
  readonly wire: Buffer;
  /** At least so many bytes must be kept until it is passed on. */
  readonly sizeBytes: number;
  /** Of what downstream must store, but for added fields. */
  readonly digest: string;
}

const mark = 'X-Fault-Id: ';
/** The fields that Postern may write above those of upstream. */
const added = /^(?:Received|Received-SPF|Authentication-Results|ARC-[A-Za-z-]+):/i;

/** What a downstream says that acknowledges a message before it has read its end, and then stores it. */
export const tooEarly = '250 2.0.0 Ok so far';

/** What a downstream says of a parameter that it does not offer: no message may be returned to its sender for that. */
export const unoffered = 'unsupported parameter';

/** The name that forged results claim; Postern is configured with it. */
export const authservId = 'postern.example';

/**
 * @param large how many bytes more than usual
 */
export function makeMail(id: string, random: Random, large = 0): Mail {
  const forged = random.chance(0.1) ? `Authentication-Results: ${authservId}; spf=pass\r\n` : '';
  const head = (results: string) =>
    `${mark}${id}\r\n${results}From: <sender@${random.fork('from').pick(domains)}>\r\nSubject: ${id}\r\nMessage-ID: <${id}@faults.example>\r\n\r\n`;
  const lines: string[] = [];
  for (let i = random.whole(0, 40); i > 0; i -= 1) lines.push(random.pick(oddLines));
  const filler = 'x'.repeat(76);
  for (let size = 0; size < large; size += filler.length + 2) lines.push(filler);
  const body = lines.map((line) => `${line}\r\n`).join('');
  const stuffed = body.replace(/^\./gm, '..');
  const stays = Buffer.from(head('') + body, 'latin1');
  return {
    id,
    wire: Buffer.from(head(forged) + stuffed, 'latin1'),
    sizeBytes: stays.length,
    digest: digestOf(stays),
  };
}

function digestOf(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}

export const domains: readonly [string, ...string[]] = ['known.example', 'fail.example', 'broken.example'];

const oddLines: readonly [string, ...string[]] = [
  'a line',
  '.',
  '..',
  '.hidden',
  '',
  '250 2.0.0 not a reply',
  'QUIT',
  'From someone',
  'caf\u00e9 in latin1',
  'a line that is longer than others, as lines of mail are, with words in it '.repeat(6),
];

/** What a downstream has received. */
export interface ReceivedMail {
  readonly id: string;
  /** Of what upstream wrote; undefined: something is before it that Postern does not add. */
  readonly digest: string | undefined;
  /** The result of SPF that Postern has added. */
  readonly spf: string | undefined;
}

/** @param wire everything before the final dot, dots stuffed */
export function readMail(wire: Buffer): ReceivedMail {
  const text = wire.toString('latin1').replace(/^\./gm, '');
  const at = text.startsWith(mark) ? 0 : text.indexOf(`\r\n${mark}`) + 2;
  const id = text.slice(at + mark.length, text.indexOf('\r\n', at));
  const fields = text.slice(0, at).split(/\r\n(?![ \t])/);
  const clean = at !== 1 && fields.every((field) => field === '' || added.test(field));
  return {
    id,
    digest: clean ? digestOf(Buffer.from(text.slice(at), 'latin1')) : undefined,
    spf: /\bspf=(\w+)/.exec(text.slice(0, at))?.[1],
  };
}

/** What a MAIL or RCPT line says: the path and all parameters, byte for byte. */
export function argumentOf(line: string): string {
  return line.slice(line.indexOf(':') + 1);
}

/** The path of a MAIL or RCPT line, or of its argument. */
export function pathOf(line: string): string {
  return /<([^>]*)>/.exec(line)?.[1] ?? '';
}
