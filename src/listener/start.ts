// Whose message comes, and from whom: what is known of a transaction before its MAIL.
import { clientOf } from '../authentication/authentication.ts';
import type { XforwardAttributes, XforwardName } from '../smtp/xforward.ts';
import type { TransactionStart } from '../transaction/transaction.ts';

/** The connection's peer: whom the connection comes from, and whether it is believed. */
export interface Peer {
  /** undefined on a UNIX socket */
  readonly ip: string | undefined;
  readonly port: number | undefined;
  /** Whether its XFORWARD counts. */
  readonly believed: boolean;
}

/** How the client introduced itself; the verb decides between SMTP and LMTP. */
export interface Hello {
  readonly verb: 'HELO' | 'EHLO' | 'LHLO';
  readonly name: string;
}

/** What a connection has told of itself, and of a message that is about to come. */
export interface Introduction {
  readonly peer: Peer;
  readonly helo: Hello;
  readonly encrypted: boolean;
  /** What XFORWARD said; undefined: nothing. */
  readonly xforward: XforwardAttributes | undefined;
  readonly mode: 'before-queue' | 'after-queue';
  /** Of our own making, new. */
  readonly id: string;
}

/** The client is known from XFORWARD alone where there was one, else from the connection alone. */
export function transactionStart(introduction: Introduction): TransactionStart {
  const { peer, helo, encrypted, xforward: said, mode, id: own } = introduction;
  const protocol = helo.verb === 'LHLO' ? 'lmtp' : 'smtp';
  const common = { protocol, extended: helo.verb !== 'HELO', encrypted } as const;
  if (said) {
    const ident = said.get('IDENT');
    // The id stands in Received and in logs; another MTA's queue id is letters and digits.
    const joined = mode === 'after-queue' && ident && /^[A-Za-z0-9._-]{1,64}$/.test(ident);
    const client = clientOf({ ip: said.get('ADDR'), name: said.get('NAME'), helo: said.get('HELO') });
    const id = joined ? `${own}.${ident}` : own;
    // LOCAL alone is no proof: with local_header_rewrite_clients Postfix says it of clients that have an address.
    const submitted = said.get('SOURCE') === 'LOCAL' && said.get('ADDR') === undefined;
    const upstream = { helo: helo.name, submitted, ...(ident !== undefined && { queueId: ident }) };
    return { ...common, id, client, upstream, xforward: new Map(said) };
  }
  // Whoever does not forward may be the client himself, or a proxy that repeats what he says: no upstream.
  const client = clientOf({ ip: peer.ip, helo: helo.name, name: undefined });
  return { ...common, id: own, client, xforward: ownAttributes(peer, helo, own) };
}

/** What we know of a client that nobody forwarded. */
function ownAttributes(peer: Peer, helo: Hello, id: string): XforwardAttributes {
  return new Map<XforwardName, string | undefined>([
    ['NAME', undefined],
    ['ADDR', peer.ip],
    ['PORT', peer.port === undefined ? undefined : String(peer.port)],
    ['PROTO', helo.verb === 'EHLO' ? 'ESMTP' : helo.verb === 'LHLO' ? 'LMTP' : 'SMTP'],
    ['HELO', helo.name],
    ['IDENT', id],
  ]);
}
