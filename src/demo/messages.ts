// The demo's four messages: signed, through a mailing list, spoofed, and with a forged result.
import { sealMessage } from 'mailauth/lib/arc/index.js';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import { clients, type DemoClient, type DemoDomain } from './domains.ts';

export const modes = ['before-queue', 'after-queue'] as const;
export type DemoMode = (typeof modes)[number];

/** What becomes of a message. */
export type Fate = 'delivered' | 'delivered, marked for quarantine' | 'refused';

/** What the demo must show, or else it fails. */
export interface Expected {
  /** Method → value. */
  readonly found: Readonly<Record<string, string>>;
  /** Names of the fields that are taken out. */
  readonly removed: readonly string[];
  readonly fate: Readonly<Record<DemoMode, Fate>>;
}

export interface DemoMessage {
  readonly title: string;
  /** Name of its file. */
  readonly file: string;
  readonly client: DemoClient;
  /** Reverse-path. */
  readonly sender: string;
  readonly bytes: Buffer;
  readonly expected: Expected;
}

const delivered: Expected['fate'] = { 'before-queue': 'delivered', 'after-queue': 'delivered' };

export interface DemoSigners {
  readonly bank: DemoDomain;
  readonly roses: DemoDomain;
  readonly garden: DemoDomain;
}

/** Who gets all of them. */
export const recipient = 'kim@postern.example';

/**
 * The messages in the order in which they are shown.
 *
 * @param authservId the name that the forged result bears: that of the Postern which will see it
 */
export async function makeMessages(signers: DemoSigners, authservId: string): Promise<DemoMessage[]> {
  return [
    {
      title: 'signed by its author’s domain, and sent from there',
      file: 'signed.eml',
      client: clients.bank,
      sender: 'service@bank.example',
      bytes: await sign(compose('"Your bank" <service@bank.example>', 'Your statement'), signers.bank),
      expected: { found: { spf: 'pass', dkim: 'pass', dmarc: 'pass' }, removed: [], fate: delivered },
    },
    {
      title: 'through a mailing list that broke the signature and sealed what it found (ARC)',
      file: 'list.eml',
      client: clients.list,
      sender: 'bees-bounces@lists.garden.example',
      bytes: await throughList(signers),
      expected: {
        found: { spf: 'pass', dkim: 'fail', arc: 'pass', dmarc: 'fail' },
        removed: [],
        fate: delivered,
      },
    },
    {
      title: 'spoofed: the bank never sent it, and asks that such mail be rejected',
      file: 'spoofed.eml',
      client: clients.stranger,
      sender: 'service@bank.example',
      bytes: compose('"Your bank" <service@bank.example>', 'Your account is locked'),
      expected: {
        found: { spf: 'fail', dkim: 'none', dmarc: 'fail' },
        removed: [],
        fate: { 'before-queue': 'refused', 'after-queue': 'delivered, marked for quarantine' },
      },
    },
    {
      title: 'carrying an Authentication-Results that claims to be ours',
      file: 'forged.eml',
      client: clients.lottery,
      sender: 'winner@lottery.example',
      bytes: withForgedResult(authservId),
      expected: {
        found: { spf: 'fail', dkim: 'none', dmarc: 'none' },
        removed: ['Authentication-Results'],
        fate: delivered,
      },
    },
  ];
}

function compose(from: string, subject: string): Buffer {
  return Buffer.from(
    [
      `From: ${from}`,
      `To: Kim <${recipient}>`,
      `Subject: ${subject}`,
      `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
      `Message-ID: <${crypto.randomUUID()}@postern.example>`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      '',
      'Dear Kim,',
      'all is well.',
      '',
    ].join('\r\n'),
  );
}

async function sign(message: Buffer, { name, selector, privateKey }: DemoDomain): Promise<Buffer> {
  const key = { signingDomain: name, selector, privateKey };
  const { signatures, errors } = await dkimSign(message, { ...key, signatureData: [key] });
  if (signatures === '') throw new Error(`cannot sign for ${name}`, { cause: errors });
  return Buffer.concat([Buffer.from(signatures), message]);
}

/** The list receives a signed message, notes what it found, adds to subject and body, and seals the whole. */
async function throughList({ roses, garden }: DemoSigners): Promise<Buffer> {
  const received = await sign(compose('Ann <ann@roses.example>', 'Bees'), roses);
  const modified = Buffer.from(
    `${received.toString().replace('Subject: Bees', 'List-Id: <bees.lists.garden.example>\r\nSubject: [Bees] Bees')}` +
      '--\r\nThe bees list, https://lists.garden.example/\r\n',
  );
  const seal = await sealMessage(modified, {
    signingDomain: garden.name,
    selector: garden.selector,
    privateKey: garden.privateKey,
    authResults: `lists.garden.example; dkim=pass header.d=${roses.name}; dmarc=pass header.from=${roses.name}`,
    cv: 'none',
  });
  return Buffer.concat([seal, modified]);
}

function withForgedResult(authservId: string): Buffer {
  const forged = [
    `Authentication-Results: ${authservId.toUpperCase()} (trust me);`,
    ' spf=pass smtp.mailfrom=lottery.example; dmarc=pass header.from=lottery.example',
    'Authentication-Results: relay.isp.example; auth=pass smtp.auth=winner',
    '',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(forged), compose('Lottery <winner@lottery.example>', 'You have won')]);
}
