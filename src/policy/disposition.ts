// What can be done with a message, and how it is said: the reply, the field, the reason.
import type { Proposal } from '../authentication/check.ts';
import { foldField, safeText } from '../authentication/header/fields.ts';
import { makeReply, type Reply } from '../smtp/reply.ts';

/** What is done with a message. */
export type Disposition =
  /** With a reason where something else would have been done without it. */
  | { readonly kind: 'accept'; readonly reason?: string }
  /** Answered as if it had been delivered, and thrown away. */
  | { readonly kind: 'discard'; readonly reply: Reply; readonly reason: string }
  | { readonly kind: 'reject' | 'tempfail'; readonly reply: Reply; readonly reason: string }
  /** Delivered with fields (complete, each with CRLF) by which the mailbox server files it away. */
  | { readonly kind: 'quarantine'; readonly reason: string; readonly fields: readonly string[] };

/** One that is told upstream at once. */
export type Refusal = Extract<Disposition, { readonly kind: 'reject' | 'tempfail' }>;

/** A proposal whose reply may be left to its defaults. */
export type Wish = Pick<Proposal, 'kind' | 'reason'> & {
  readonly code?: number | undefined;
  readonly enhancedCode?: string | undefined;
  readonly text?: string | undefined;
};

const discarded = makeReply(250, '2.0.0', 'Message accepted and discarded');

/**
 * Carries out a wish.
 *
 * @param mayReject false where a reject would make the upstream send a bounce to a forged sender
 */
export function dispositionOf(wish: Wish, mayReject: boolean): Disposition {
  const { kind } = wish;
  const reason = safeText(wish.reason, true) || 'no reason given';
  switch (kind) {
    case 'accept':
      return { kind, reason };
    case 'discard':
      return { kind, reason, reply: discarded };
    case 'quarantine':
      return quarantine(reason);
    case 'tempfail':
      return { kind, reason, reply: refusal(kind, wish) };
    case 'reject':
      if (mayReject) return { kind, reason, reply: refusal(kind, wish) };
      return { ...quarantine(reason), reason: `${reason}; quarantined, since rejecting it would bounce` };
  }
}

function quarantine(reason: string): Disposition & { readonly kind: 'quarantine' } {
  const words = safeText(reason, false).split(' ');
  return { kind: 'quarantine', reason, fields: [foldField('X-Disposition-Quarantine:', [words])] };
}

/** What the reply of each kind of refusal may be, and what it is where nothing else is said. */
export const refusals = {
  reject: {
    codes: /^5[0-5][0-9]$/,
    code: 550,
    enhancedCodes: /^5\.[0-9]{1,3}\.[0-9]{1,3}$/,
    enhancedCode: '5.7.1',
  },
  tempfail: {
    // 421 says that the connection is closed, and it is not.
    codes: /^4(?!21)[0-5][0-9]$/,
    code: 451,
    enhancedCodes: /^4\.[0-9]{1,3}\.[0-9]{1,3}$/,
    enhancedCode: '4.7.1',
  },
} as const;

/** The reply of a reject or tempfail: a code of the other kind would say the opposite, and is not used. */
function refusal(kind: 'reject' | 'tempfail', wish: Omit<Wish, 'kind'>): Reply {
  const { codes, enhancedCodes, ...usual } = refusals[kind];
  const { code = usual.code, enhancedCode = usual.enhancedCode, text, reason } = wish;
  return makeReply(
    codes.test(String(code)) ? code : usual.code,
    enhancedCodes.test(enhancedCode) ? enhancedCode : usual.enhancedCode,
    safeText(text || reason, false) || 'no reason given',
  );
}
