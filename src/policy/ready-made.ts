// The ready-made part of the policy: what DMARC asks for, and what could not be found out.

import { DomainPatterns } from '../smtp/domains.ts';
import { Networks } from '../smtp/networks.ts';
import { type Disposition, dispositionOf } from './disposition.ts';
import type { Facts } from './facts.ts';
import type { PolicyOptions } from './schema.ts';

/** Whose results say that it is not known yet who sent the message; what lists and logos say can wait. */
const identifying: ReadonlySet<string> = new Set(['iprev', 'spf', 'dkim', 'arc', 'dmarc']);

/** DMARC and temporary errors. */
export class ReadyMade {
  /** Whether it has nothing against any message, whatever is found of it. */
  readonly acceptsAll: boolean;
  readonly #options: Omit<PolicyOptions, 'rules' | 'rulesFile'>;
  readonly #networks: Networks;
  readonly #signers: DomainPatterns;

  constructor(options: Omit<PolicyOptions, 'rules' | 'rulesFile'>) {
    const { dmarc, temperror } = options;
    const wanted = typeof temperror === 'string' ? [temperror] : Object.values(temperror);
    this.acceptsAll = dmarc === 'annotate' && !wanted.includes('tempfail');
    this.#options = options;
    this.#networks = new Networks(options.dmarcExempt.networks);
    this.#signers = new DomainPatterns(options.dmarcExempt.dkim);
  }

  /** What is refused for good is not put off, and what is put off is not filed away. */
  decide(facts: Facts, mayReject: boolean): Disposition {
    const failed = this.#dmarc(facts, mayReject);
    if (failed?.kind === 'reject') return failed;
    return this.#temperror(facts) ?? failed ?? { kind: 'accept' };
  }

  #dmarc(facts: Facts, mayReject: boolean): Disposition | undefined {
    const { dmarc } = facts.input.outcome;
    const most = this.#options.dmarc;
    if (most === 'annotate' || dmarc?.result !== 'fail' || dmarc.policy === 'none') return undefined;
    const policy = `p=${dmarc.policy}`;
    const reason = `DMARC fail for ${dmarc.domain} (${policy})`;
    const spared = this.#spared(facts);
    if (spared !== undefined) return dispositionOf({ kind: 'accept', reason: `${reason}, ${spared}` }, true);
    const kind = most === 'reject' ? dmarc.policy : 'quarantine';
    const text = `Rejected by the DMARC policy of ${dmarc.domain} (${policy})`;
    return dispositionOf({ kind, reason, text }, mayReject);
  }

  /** Why nothing is done about the failure. */
  #spared(facts: Facts): string | undefined {
    const { client, dmarc, listMail } = facts.input.outcome;
    if (dmarc?.override) return `not applied: ${dmarc.override.text}`;
    if (client.ip !== undefined && this.#networks.includes(client.ip)) return `exempt: client ${client.ip}`;
    const signer = facts.signers.find((domain) => this.#signers.includes(domain));
    if (signer !== undefined) return `exempt: signed by ${signer}`;
    return listMail && this.#options.dmarcExempt.lists ? 'exempt: mailing list' : undefined;
  }

  #temperror({ input: { outcome, mode } }: Facts): Disposition | undefined {
    const { temperror } = this.#options;
    const wanted = typeof temperror === 'string' ? temperror : temperror[outcome.clientClass];
    if (wanted !== 'tempfail' || mode === 'after-queue') return undefined;
    const undecided = outcome.results.filter(
      ({ method, value }) => value === 'temperror' && identifying.has(method),
    );
    const [first] = undecided;
    if (!first) return undefined;
    const methods = [...new Set(undecided.map(({ method }) => method))].join(', ');
    return dispositionOf(
      {
        kind: 'tempfail',
        reason: `temperror of ${methods}`,
        // RFC 7372 §3.2: 7.24 is SPF's own; the others have codes for failures only.
        enhancedCode: first.method === 'spf' ? '4.7.24' : '4.7.0',
        text: `Temporary error while authenticating the message (${methods}), try again later`,
      },
      false,
    );
  }
}
