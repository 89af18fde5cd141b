// Two Postfix instances as docs/after-queue.md and docs/before-queue.md show them: one that the internet reaches, one for the second pass.

import { documentedLines } from './documents.ts';
import { freePort } from './ports.ts';
import { Postfix } from './postfix.ts';
import type { Site } from './site.ts';

/** The uses in which mail comes back to Postfix. */
export type Use = 'after-queue' | 'before-queue';

/** An upstream and a downstream Postfix, not yet started, and the ports they and Postern use. */
export interface Pair {
  readonly upstream: Postfix;
  readonly downstream: Postfix;
  readonly ports: { readonly smtp: number; readonly postern: number; readonly reinjection: number };
}

/** What a test adds to the documented lines. */
export interface PairOptions {
  /** The downstream's mailboxes; addresses of their domains are accepted upstream. */
  readonly mailboxes: readonly string[];
  /** A mailbox at the upstream, where the sender gets its bounces. */
  readonly senderMailbox: string;
  /** Lines to follow the upstream's `smtp inet` service. */
  readonly serviceOptions?: string;
  /** Further lines of the upstream's main.cf. */
  readonly main?: string;
}

/** Makes both instances, with the documented lines of the given use and ports of their own. */
export async function postfixPair(site: Site, use: Use, options: PairOptions): Promise<Pair> {
  const { mailboxes, senderMailbox, serviceOptions = '', main = '' } = options;
  const ports = { smtp: await freePort(), postern: await freePort(), reinjection: await freePort() };
  const domains = new Set(mailboxes.map((address) => address.slice(address.lastIndexOf('@') + 1)));
  const ofUpstream = documentedLines(`${use} master.cf upstream`, ports);
  const upstream = new Postfix(site, {
    name: 'upstream',
    main: [
      `relay_domains = ${[...domains].join(', ')}`,
      ...(use === 'after-queue' ? [documentedLines('after-queue main.cf', ports)] : []),
      main,
    ].join('\n'),
    master:
      use === 'after-queue'
        ? `127.0.0.1:${ports.smtp} inet n - n - - smtpd\n${ofUpstream}`
        : `${ofUpstream}\n${serviceOptions}`,
    ports: [ports.smtp],
    mailboxes: [senderMailbox],
  });
  const downstream = new Postfix(site, {
    name: 'downstream',
    main: '',
    master: documentedLines(`${use} master.cf downstream`, ports),
    ports: [ports.reinjection],
    mailboxes,
  });
  return { upstream, downstream, ports };
}
