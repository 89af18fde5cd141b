// The demo's small world: domains with their keys, clients with their addresses, and the zone that tells of them.
import { generateKeyPairSync } from 'node:crypto';

/** A domain that can sign. */
export interface DemoDomain {
  readonly name: string;
  readonly selector: string;
  /** PEM. */
  readonly privateKey: string;
  /** TXT record of the selector (RFC 6376 §3.6.1). */
  readonly keyRecord: string;
}

/** An SMTP client as the demo's upstream saw it; goes to Postern by XFORWARD. */
export interface DemoClient {
  readonly helo: string;
  readonly name: string;
  readonly ip: string;
}

export const clients = {
  bank: { helo: 'mail.bank.example', name: 'mail.bank.example', ip: '192.0.2.10' },
  list: { helo: 'lists.garden.example', name: 'lists.garden.example', ip: '198.51.100.20' },
  stranger: { helo: 'mail.bank.example', name: 'pool-66.isp.example', ip: '203.0.113.66' },
  lottery: { helo: 'lottery.example', name: 'lottery.example', ip: '203.0.113.77' },
} as const satisfies Readonly<Record<string, DemoClient>>;

/** Makes a domain's key, new for each run. */
export function makeDomain(name: string): DemoDomain {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'der' },
  });
  return {
    name,
    selector: 'demo',
    privateKey,
    keyRecord: `v=DKIM1; k=rsa; p=${publicKey.toString('base64')}`,
  };
}

/**
 * What the name service of this world says, as a zone file has it.
 *
 * @param signers the domains whose keys are published
 */
export function makeZone(signers: readonly DemoDomain[]): Record<string, Record<string, string[]>> {
  const zone: Record<string, Record<string, string[]>> = {
    'bank.example': { TXT: [`v=spf1 ip4:${clients.bank.ip} -all`], MX: ['10 mail.bank.example'] },
    '_dmarc.bank.example': { TXT: ['v=DMARC1; p=reject'] },
    'roses.example': { TXT: ['v=spf1 ip4:192.0.2.30 -all'], MX: ['10 mail.roses.example'] },
    '_dmarc.roses.example': { TXT: ['v=DMARC1; p=none'] },
    'garden.example': { MX: ['10 lists.garden.example'] },
    // A client of the demo that stays, such as swaks.
    localhost: { A: ['127.0.0.1'] },
    '1.0.0.127.in-addr.arpa': { PTR: ['localhost'] },
    'lottery.example': { TXT: ['v=spf1 -all'], MX: ['10 lottery.example'], A: [clients.lottery.ip] },
  };
  for (const client of [clients.bank, clients.list, clients.stranger]) zone[client.name] = { A: [client.ip] };
  for (const client of Object.values(clients)) {
    zone[`${client.ip.split('.').reverse().join('.')}.in-addr.arpa`] = { PTR: [client.name] };
  }
  zone[clients.list.name] = { ...zone[clients.list.name], TXT: [`v=spf1 ip4:${clients.list.ip} -all`] };
  for (const { name, selector, keyRecord } of signers)
    zone[`${selector}._domainkey.${name}`] = { TXT: [keyRecord] };
  return zone;
}
