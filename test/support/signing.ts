// Keys, key records and signed or sealed messages for tests and the demo.
import { generateKeyPairSync } from 'node:crypto';
import { sealMessage } from 'mailauth/lib/arc/index.js';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';

/** A key, and what its owner publishes. */
export interface SigningKey {
  readonly domain: string;
  readonly selector: string;
  /** PEM */
  readonly privateKey: string;
  /** Where the record is: `selector._domainkey.domain`. */
  readonly recordName: string;
  readonly record: string;
  /** To be spread into a zone's YAML value. */
  readonly zone: Readonly<Record<string, { readonly TXT: readonly string[] }>>;
}

/** Names by which messages of example.com pass that client.example.com [192.0.2.10] hands over, signed with its key. */
export function passingZone({ zone }: SigningKey) {
  return {
    'example.com': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
    '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject'] },
    '10.2.0.192.in-addr.arpa': { PTR: ['client.example.com'] },
    'client.example.com': { A: ['192.0.2.10'] },
    ...zone,
  };
}

/** Makes a key pair and its record (RFC 6376 §3.6.1, RFC 8463 §4). */
export function makeKey(
  domain: string,
  selector: string,
  type: 'rsa' | 'ed25519' = 'rsa',
  bits = 2048,
): SigningKey {
  const pair =
    type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: bits }) : generateKeyPairSync('ed25519');
  const der = pair.publicKey.export({ type: 'spki', format: 'der' });
  // RFC 8463 §4: the bare key, which is the last 32 bytes of its SubjectPublicKeyInfo.
  const publicKey = (type === 'rsa' ? der : der.subarray(-32)).toString('base64');
  const record = `v=DKIM1; k=${type}; p=${publicKey}`;
  const recordName = `${selector}._domainkey.${domain}`;
  return {
    domain,
    selector,
    privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    recordName,
    record,
    zone: { [recordName]: { TXT: [record] } },
  };
}

/** @returns the message (CRLF line ends) with a DKIM-Signature on top */
export async function sign(message: string | Buffer, key: SigningKey): Promise<Buffer> {
  const { domain: signingDomain, selector, privateKey } = key;
  const { signatures, errors } = await dkimSign(Buffer.from(message), {
    signingDomain,
    selector,
    privateKey,
    signatureData: [{ signingDomain, selector, privateKey }],
    strict: true,
  });
  const [error] = errors;
  if (error) throw error.err;
  return Buffer.concat([Buffer.from(signatures), Buffer.from(message)]);
}

/**
 * Adds an ARC set, as a mailing list or forwarder would.
 *
 * @param authenticationResults what the sealer found: authserv-id and results
 * @param cv how the chain so far validated; `none` for the first set
 * @param signTime default: now
 */
export async function seal(
  message: string | Buffer,
  key: SigningKey,
  authenticationResults: string,
  cv: 'none' | 'pass' | 'fail' = 'none',
  signTime = new Date(),
): Promise<Buffer> {
  const headers = await sealMessage(Buffer.from(message), {
    signingDomain: key.domain,
    selector: key.selector,
    privateKey: key.privateKey,
    authResults: authenticationResults,
    cv,
    signTime,
    strict: true,
  });
  if (headers.length === 0) throw new Error('the message could not be sealed');
  return Buffer.concat([headers, Buffer.from(message)]);
}
