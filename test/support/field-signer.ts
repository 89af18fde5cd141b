// Signs as RFC 6376 says, by hand: fields of any name and tags of any kind, and no line of the library that verifies.
import { createHash, createSign, type KeyLike, sign as signDigest } from 'node:crypto';

export interface FieldSigner {
  readonly domain: string;
  readonly selector: string;
  readonly privateKey: KeyLike;
}

export interface FieldSignature {
  /** Default: DKIM-Signature. */
  readonly field?: string;
  /** Default: rsa-sha256. */
  readonly algorithm?: 'rsa-sha256' | 'rsa-sha1' | 'ed25519-sha256';
  /** Names in h=, in order; default: From and Subject. */
  readonly names?: readonly string[];
  /** Octets of the body that count; default: all, without l=. */
  readonly limit?: number;
  /** Further tags, such as `t=1; x=2`. */
  readonly tags?: string;
}

/**
 * Canonicalization is `relaxed/relaxed`.
 *
 * @param message CRLF line ends, no field folded
 * @returns the message with the signature on top
 */
export function signField(message: string, signer: FieldSigner, how: FieldSignature = {}): Buffer {
  const {
    field = 'DKIM-Signature',
    algorithm = 'rsa-sha256',
    names = ['From', 'Subject'],
    limit,
    tags,
  } = how;
  const [, hash = ''] = algorithm.split('-');
  const end = message.indexOf('\r\n\r\n');
  const body = Buffer.from(relaxedBody(message.slice(end + 4))).subarray(0, limit);
  const list = [
    `v=1; a=${algorithm}; c=relaxed/relaxed; d=${signer.domain}; s=${signer.selector}`,
    `h=${names.join(':')}`,
    ...(limit === undefined ? [] : [`l=${limit}`]),
    ...(tags === undefined ? [] : [tags]),
    `bh=${createHash(hash).update(body).digest('base64')}`,
    'b=',
  ].join('; ');
  const fields = message.slice(0, end).split('\r\n').reverse();
  const signed = names.flatMap((name) => {
    const at = fields.findIndex((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`));
    return at < 0 ? [] : fields.splice(at, 1);
  });
  const text = [...signed, `${field}: ${list}`].map(relaxedField).join('\r\n');
  return Buffer.from(`${field}: ${list}${signatureOf(text, algorithm, signer.privateKey)}\r\n${message}`);
}

function signatureOf(text: string, algorithm: string, key: KeyLike): string {
  if (!algorithm.startsWith('ed25519')) {
    return createSign(algorithm.toUpperCase()).update(text).sign(key, 'base64');
  }
  // RFC 8463 §3: the hash is what is signed.
  return signDigest(null, createHash('sha256').update(text).digest(), key).toString('base64');
}

/** RFC 6376 §3.4.2. */
function relaxedField(line: string): string {
  const at = line.indexOf(':');
  const value = line.slice(at + 1).replace(/[ \t]+/g, ' ');
  return `${line.slice(0, at).toLowerCase().trim()}:${value.trim()}`;
}

/** RFC 6376 §3.4.4. */
function relaxedBody(body: string): string {
  const lines = body.split('\r\n').map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''));
  while (lines.at(-1) === '') lines.pop();
  return lines.map((line) => `${line}\r\n`).join('');
}
