// The people of the tests: their domains in the name server, their keys, and the messages they send.
import { generateKeyPairSync } from 'node:crypto';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import { txt, type Zones } from './name-server.ts';
import type { Identity } from './smtp-client.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'der' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

/** The domain that sends: SPF allows 192.0.2.0/24, DMARC asks for rejection, one DKIM key. */
export const SENDER_DOMAIN = 'sender.example';
const SELECTOR = 's1';

/** The sending domain's own server. */
export const honest: Identity = {
  name: 'client.sender.example',
  address: '192.0.2.10',
  helo: 'client.sender.example',
};
/** Somebody whom no record of the sending domain allows. */
export const impostor: Identity = {
  name: 'host.stranger.example',
  address: '198.51.100.66',
  helo: 'host.stranger.example',
};

/** All that the name server knows. */
export const zones: Zones = {
  example: [
    'ns A 127.0.0.1',
    `${SENDER_DOMAIN}. MX 10 client.sender.example.`,
    txt(`${SENDER_DOMAIN}.`, 'v=spf1 ip4:192.0.2.0/24 -all'),
    txt(`_dmarc.${SENDER_DOMAIN}.`, 'v=DMARC1; p=reject'),
    txt(`${SELECTOR}._domainkey.${SENDER_DOMAIN}.`, `v=DKIM1; k=rsa; p=${publicKey.toString('base64')}`),
    'client.sender.example. A 192.0.2.10',
    'host.stranger.example. A 198.51.100.66',
  ],
  '2.0.192.in-addr.arpa': ['10 PTR client.sender.example.'],
  '100.51.198.in-addr.arpa': ['66 PTR host.stranger.example.'],
};

/** A message from the sending domain to nobody in particular, with CRLF line ends. */
export function message(subject: string): string {
  return [
    `From: Alice <alice@${SENDER_DOMAIN}>`,
    'To: undisclosed-recipients:;',
    `Subject: ${subject}`,
    'Date: Tue, 03 Jun 2025 10:00:00 +0000',
    `Message-ID: <${subject.replace(/\W+/gu, '-')}@${SENDER_DOMAIN}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    // One char per byte, in UTF-8.
    'Gr\xc3\xbc\xc3\x9fe von drau\xc3\x9fen.',
    '.a line that begins with a dot',
    // As HTML has it; by itself, Postfix cuts what is longer than 998 bytes when it sends.
    `a line ${'of very many words '.repeat(80)}`,
    '',
  ].join('\r\n');
}

/** The same, signed by the sending domain. */
export async function signedMessage(subject: string): Promise<string> {
  const plain = message(subject);
  const key = { signingDomain: SENDER_DOMAIN, selector: SELECTOR, privateKey };
  // mailauth's types want the key at the top, its code reads it from signatureData alone.
  const { signatures, errors } = await dkimSign(Buffer.from(plain, 'latin1'), {
    ...key,
    signatureData: [key],
  });
  if (signatures === '') throw new Error(`cannot sign: ${JSON.stringify(errors)}`);
  return signatures + plain;
}

/** The body of a message: what follows the first empty line. Mailboxes end lines with LF alone. */
export function body(text: string): string {
  return text.replaceAll('\r\n', '\n').split('\n\n').slice(1).join('\n\n');
}

/** One header field of a message, unfolded, name included; of several the topmost. */
export function field(text: string, name: string): string {
  const header = text.replaceAll('\r\n', '\n').split('\n\n')[0] ?? '';
  const unfolded = header.replace(/\n(?=[ \t])/gu, '');
  const prefix = `${name.toLowerCase()}:`;
  return unfolded.split('\n').find((line) => line.toLowerCase().startsWith(prefix)) ?? '';
}
