// What DMARC means for the policy, as the check leaves it: the policy of the author's domain, and why not to follow it.
import type { DMARCResult } from 'mailauth';
import { Note } from '../notes.ts';
import type { ResultValue } from '../result.ts';

/** RFC 9989 §4.7: what a domain asks to be done with messages that fail. */
export type DmarcPolicy = 'none' | 'quarantine' | 'reject';

/** Whether it is one, wherever it comes from. */
export function isDmarcPolicy(text: string | undefined): text is DmarcPolicy {
  return text === 'none' || text === 'quarantine' || text === 'reject';
}

/** A reason of ours not to follow a domain's policy (RFC 9989 §5.4): the message fails, and is not treated so. */
export interface DmarcOverride {
  /** `trusted-arc`, a sealer whom we trust saw it pass; `mailing-list`, it came through a list. */
  readonly kind: 'trusted-arc' | 'mailing-list';
  /** For people: who vouches for the message. */
  readonly text: string;
}

/** What was found about a message whose author's domain has published a policy. */
export interface DmarcOutcome {
  /** The author's domain (RFC 9989 §3.2.1), an A-label. */
  readonly domain: string;
  /** The policy that the domain wants for this message, `sp`, `np` and `t` considered. */
  readonly policy: DmarcPolicy;
  readonly result: ResultValue;
  /** Present: nothing is done about the failure, whatever the policy. */
  readonly override?: DmarcOverride;
  /** Domains of SPF and DKIM that passed and belong to the author's domain; SPF first. */
  readonly aligned: readonly string[];
}

/** For whoever decides about the message; none without a record, or when the policy is not known. */
export const dmarcOutcome = new Note<DmarcOutcome>('dmarc.outcome');

/**
 * All that was found, records included, for checks that build on it; none without exactly one author domain, or when it
 * is not known whether the message passes.
 */
export const dmarcResponse = new Note<DMARCResult>('dmarc.response');
