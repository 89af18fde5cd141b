// From results to what happens with the message: accept, quarantine, reject or tempfail.
import { z } from 'zod';
import type { Outcome, Proposal } from '../authentication/authentication.ts';
import { makeReply, type Reply } from '../smtp/reply.ts';

/** The `policy` section of the configuration. */
export const policySchema = z.strictObject({
  dmarc: z
    .enum(['annotate', 'quarantine', 'reject'])
    .prefault('annotate')
    .describe(
      'what is done when DMARC fails and the author’s domain asks for it; at most what is named here',
    ),
  temperror: z
    .enum(['annotate', 'tempfail'])
    .prefault('annotate')
    .describe('before the queue, whether a message is put off while a check can’t be carried out'),
  rejectAfterQueue: z
    .boolean()
    .prefault(false)
    .describe('reject after the queue too, where the sender, often forged, gets a bounce from the upstream'),
});

/** The section as it was read. */
export type PolicyOptions = z.output<typeof policySchema>;

/** What is done with a message. */
export type Disposition =
  | { readonly kind: 'accept' }
  /** Answered as if it had been delivered, and thrown away. */
  | { readonly kind: 'discard'; readonly reply: Reply; readonly reason: string }
  | { readonly kind: 'reject' | 'tempfail'; readonly reply: Reply; readonly reason: string }
  /** Delivered with fields (complete, each with CRLF) by which the mailbox server files it away. */
  | { readonly kind: 'quarantine'; readonly reason: string; readonly fields: readonly string[] };

/** What a decision is based on. */
export interface DecisionInput {
  readonly outcome: Outcome;
  readonly mode: 'before-queue' | 'after-queue';
  /** Name of the listener. */
  readonly listener: string;
  /** Of the envelope, without angle brackets, as sent; '' for the null reverse-path. */
  readonly reversePath: string;
}

/** What was decided. */
export interface Decision {
  readonly disposition: Disposition;
  /** What it would have been, were this not a dry run. */
  readonly dry?: Disposition;
}

/** Decides what happens with messages; the same for all listeners. */
export class Policy {
  readonly #options: PolicyOptions;

  constructor(options: PolicyOptions) {
    this.#options = options;
  }

  /** Decides; what is refused for good is not put off, and what is put off is not filed away. */
  decide({ outcome, mode }: DecisionInput): Decision {
    const input = { outcome, mode, policy: this.#options };
    const failed = dmarcDisposition(input);
    if (failed?.kind === 'reject') return { disposition: failed };
    return { disposition: temporaryDisposition(input) ?? failed ?? { kind: 'accept' } };
  }

  /**
   * Decides what a check proposes at MAIL or RCPT.
   *
   * @returns the reply that refuses it; undefined: it goes on, and the end of the message decides
   */
  decideEarly(_proposal: Proposal, _mode: DecisionInput['mode']): Reply | undefined {
    return undefined;
  }
}

interface Input extends Pick<DecisionInput, 'outcome' | 'mode'> {
  readonly policy: PolicyOptions;
}

function dmarcDisposition({ outcome, policy, mode }: Input): Disposition | undefined {
  const { dmarc } = outcome;
  if (policy.dmarc === 'annotate' || dmarc?.result !== 'fail' || dmarc.policy === 'none') return undefined;
  const domain = printable(dmarc.domain);
  const reason = `DMARC fail for ${domain} (p=${dmarc.policy})`;
  const mayReject = mode === 'before-queue' || policy.rejectAfterQueue;
  if (policy.dmarc === 'reject' && dmarc.policy === 'reject' && mayReject) {
    const text = `Rejected by the DMARC policy of ${domain} (p=${dmarc.policy})`;
    return { kind: 'reject', reply: makeReply(550, '5.7.1', text), reason };
  }
  return { kind: 'quarantine', reason, fields: [`X-Disposition-Quarantine: ${reason}\r\n`] };
}

function temporaryDisposition({ outcome, policy, mode }: Input): Disposition | undefined {
  if (policy.temperror === 'annotate' || mode === 'after-queue') return undefined;
  const undecided = outcome.results.filter(({ value }) => value === 'temperror');
  const [first] = undecided;
  if (!first) return undefined;
  const methods = [...new Set(undecided.map(({ method }) => method))].join(', ');
  // RFC 7372 §3.2: 7.24 is SPF's own; the others have codes for failures only.
  const enhanced = first.method === 'spf' ? '4.7.24' : '4.7.0';
  const text = `Temporary error while authenticating the message (${methods}), try again later`;
  return { kind: 'tempfail', reply: makeReply(451, enhanced, text), reason: `temperror of ${methods}` };
}

/** A domain comes from the message, and goes into lines of ours. */
function printable(domain: string): string {
  return domain.replace(/[^\x21-\x7e]/g, '?').slice(0, 255);
}
