// arc: the chain of those who handled the message and say what they found (RFC 8617).
import type { DKIMResult } from 'mailauth';
import { z } from 'zod';
import { isTemporary } from '../../dns/resolver.ts';
import { DomainPatterns, domainPatternForm, parseDomainPattern, toALabels } from '../../smtp/domains.ts';
import { parseMailAddress } from '../address.ts';
import { type ArcSet, readChain } from '../arc/chain.ts';
import { type Sealable, sealableMessage } from '../arc/seal.ts';
import { trustedArc, whoVouches } from '../arc/trusted.ts';
import type { Check, EndOfHeadersContext, ResolveFunction } from '../check.ts';
import { type Verification, validateChain } from '../mailauth.ts';
import type { Property, ResultValue } from '../result.ts';

export interface ArcOptions {
  /** Patterns of domains. */
  readonly trustedSealers: readonly string[];
  /** Who seals; `key` names the file. It is read where the configuration is loaded. */
  readonly seal?: { readonly domain: string; readonly selector: string; readonly key: string } | undefined;
}

/** RFC 6376 §3.5: letters, digits and hyphens. */
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const domainName = new RegExp(`^${label}(?:\\.${label})+$`);
const selectorName = new RegExp(`^${label}(?:\\.${label})*$`);

const notDomain = 'is not a domain; expected one such as example.com';

/** Internationalised domains become A-labels. */
const domain = z
  .string()
  .transform(toALabels)
  .refine((name) => domainName.test(name), { error: notDomain });

const sealer = z.string().transform((name, context) => {
  const pattern = parseDomainPattern(name);
  if (pattern !== undefined) return pattern;
  context.addIssue({ code: 'custom', message: `is not a domain; expected ${domainPatternForm}` });
  return z.NEVER;
});

/** A comment that names more is not read by anybody. */
const maxNamed = 10;
/** So many older sets are asked whether the message is still theirs; chains in practice are shorter. */
const maxOlder = 10;

export const arc: Check<ArcOptions> = {
  name: 'arc',
  schema: z.strictObject({
    trustedSealers: z
      .array(sealer)
      .prefault([])
      .describe(
        'domains whose word about a message counts when DMARC fails, if all who sealed after them are trusted too; `example.com` is it alone, `.example.com` also its subdomains',
      ),
    seal: z
      .strictObject({
        domain: domain.describe('who seals (`d=`)'),
        selector: z
          .string()
          .regex(selectorName, {
            error: 'is not a selector; expected letters in lower case, digits and hyphens',
          })
          .describe('the public key is published at `<selector>._domainkey.<domain>`'),
        key: z
          .string()
          .min(1, { error: 'is empty; expected the name of a file' })
          .meta({ file: true })
          .describe('file with the private key (PEM), relative to this file: RSA or Ed25519'),
      })
      .optional()
      .describe('seals every message on its way downstream. Default: nobody does'),
  }),
  skippedFor: [],

  async endOfHeaders(context, { trustedSealers }) {
    const message = await context.verification;
    const { bodyHash, arc: sets } = message;
    const sealable = (status: Sealable['chain']) =>
      sealableMessage.leave(context.notes, { chain: status, header: context.header, bodyHash });
    // Most messages have no set, and in them there is nothing to validate.
    if (!sets.chain && !sets.error) {
      sealable('none');
      return [{ method: 'arc', value: 'none', properties: [] }];
    }
    const chain = readChain(sets.chain);
    const questions = watch(context.resolve);
    // RFC 8617 §5.2.1: every failure is permanent, that of DNS too; so there is no temperror.
    const { value, reason, signature } = await validateChain(message, questions.resolve);
    if (context.explained && chain.length > 0) {
      context.explain(
        'chain',
        chain.map((set) => ({ ...set, findings: set.findings() })),
      );
    }
    if (signature) context.explain('newest ARC-Message-Signature', explained(signature));
    // What could not be found out today may hold tomorrow: a seal that says cv=fail would be for ever.
    const known = value !== 'fail' || !questions.failed();
    if (known) sealable(value);
    if (value === 'pass') {
      const vouching = whoVouches(chain, new DomainPatterns(trustedSealers), authorDomain(message));
      context.explain('trusted sealer', vouching ?? 'none');
      if (vouching) trustedArc.leave(context.notes, vouching);
    }
    return [
      {
        method: 'arc',
        value,
        ...(value === 'fail' && { reason: reason ?? unknownReason(questions.failed()) }),
        ...(chain.length > 0 && { comment: describe(chain) }),
        properties: await properties(value, { chain, message, context }),
      },
    ];
  },
};

/** RFC 8617 §10.2 registers header.oldest-pass and smtp.remote-ip; header.d is as dkim has it. */
async function properties(
  value: ResultValue,
  about: {
    readonly chain: readonly ArcSet[];
    readonly message: Verification;
    readonly context: EndOfHeadersContext;
  },
): Promise<Property[]> {
  const { chain, message, context } = about;
  const newest = chain.at(-1);
  const found: Property[] = [];
  if (newest) found.push({ ptype: 'header', property: 'd', value: newest.seal.domain });
  if (newest && value === 'pass') {
    const oldest = await oldestPass(message, newest.instance, context.resolve);
    found.push({ ptype: 'header', property: 'oldest-pass', value: String(oldest) });
  }
  // RFC 8617 §6: the address is the one thing that a later reader of the seal can't know.
  const { ip } = context.client;
  if (ip !== undefined) found.push({ ptype: 'smtp', property: 'remote-ip', value: ip });
  return found;
}

/**
 * RFC 8617 §5.2 step 5: since whom the message is as it is, going down from the newest set, which passed.
 *
 * @returns the lowest instance whose ARC-Message-Signature still holds, 0 when all do; where older ones
 *   are so many, or cover so much, that they are not worth the work, the lowest that is known to hold
 */
async function oldestPass(message: Verification, newest: number, resolve: ResolveFunction): Promise<number> {
  for (let instance = newest - 1; instance >= 1; instance--) {
    if (newest - instance > maxOlder || !(await message.messageSignatureValid(instance, resolve))) {
      return instance + 1;
    }
  }
  return 0;
}

function unknownReason(unanswered: boolean): string {
  return unanswered ? 'DNS did not give a key' : 'the chain could not be validated';
}

function explained({ status, bodyHash, bodyHashExpecting, rr }: DKIMResult): unknown {
  const hashes = { expected: bodyHashExpecting, computed: bodyHash };
  return { result: status.result, comment: status.comment, bodyHash: hashes, record: rr };
}

/** How far the chain goes and who sealed, newest first. */
function describe(chain: readonly ArcSet[]): string {
  const sealers = chain.map(({ seal }) => seal.domain || '?').reverse();
  const more = sealers.length - maxNamed;
  const named = sealers.slice(0, maxNamed).join(', ');
  return `i=${sealers.length} sealed by ${named}${more > 0 ? ` and ${more} more` : ''}`;
}

/** @returns undefined where there is not exactly one */
function authorDomain({ headerFrom, fromFields }: Verification): string | undefined {
  const [first, ...others] = headerFrom.map((address) => parseMailAddress(address)?.domain);
  return fromFields === 1 && others.every((each) => each === first) ? first : undefined;
}

/** Remembers whether a question got no answer, which mailauth's result does not tell. */
function watch(resolve: ResolveFunction): { readonly resolve: ResolveFunction; failed(): boolean } {
  let failed = false;
  return {
    failed: () => failed,
    resolve: async (name, type) => {
      try {
        return await resolve(name, type);
      } catch (error) {
        failed ||= isTemporary(error);
        throw error;
      }
    },
  };
}
