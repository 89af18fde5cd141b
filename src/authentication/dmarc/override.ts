// Reasons of ours to do nothing about a message that DMARC fails (RFC 9989 §5.4, RFC 8617 §7.2.1).

import { trustedArc } from '../arc/trusted.ts';
import type { Notes } from '../check.ts';
import type { HeaderField } from '../subject.ts';
import { isListMail } from './mailing-list.ts';
import type { DmarcOverride } from './outcome.ts';

/** Which reasons are accepted. */
export interface OverrideOptions {
  readonly trustedArc: boolean;
  readonly mailingList: boolean;
}

/** As aggregate reports have it (RFC 9990, PolicyOverrideType); for ARC RFC 8617 §7.2.2 says which. */
export const overrideTypes: Readonly<Record<DmarcOverride['kind'], string>> = {
  'trusted-arc': 'local_policy',
  'mailing-list': 'mailing_list',
};

/** @returns why the failure of this message is not acted upon; undefined: no reason */
export function findOverride(
  notes: Notes,
  header: readonly HeaderField[],
  options: OverrideOptions,
): DmarcOverride | undefined {
  const arc = trustedArc.read(notes);
  if (options.trustedArc && arc?.dmarc) {
    return { kind: 'trusted-arc', text: `trusted ARC sealer ${arc.sealer} saw it pass` };
  }
  // What makes a message list mail can be written by anybody: only where the administrator says so.
  if (options.mailingList && isListMail(header)) {
    return { kind: 'mailing-list', text: 'came through a mailing list' };
  }
  return undefined;
}
