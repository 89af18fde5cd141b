// Whom SPF and DKIM authenticated, as DMARC counts it (RFC 9989 §4.4).
import type { Verification } from '../mailauth.ts';
import { propertyOf, type Result, type ResultValue } from '../result.ts';

/** A domain whose signature counts. */
export interface SigningDomain {
  readonly domain: string;
  /** Octets of the body that no such signature of the domain covers (`l=`); absent: one covers it whole. */
  readonly underSized?: number;
}

/** The domains that a message may be aligned with, each once. */
export interface Identifiers {
  readonly spf: readonly string[];
  readonly dkim: readonly SigningDomain[];
  /** Whether there is a result that does not say whom it is about. */
  readonly unnamed: boolean;
}

/**
 * The domains that results of these values are about. Only results of `spf` and `dkim` count, and of
 * SPF only the MAIL FROM identity (RFC 9989 §4.4.2), which is the HELO name for a null reverse-path alone.
 */
export function identifiers(
  results: readonly Result[],
  values: readonly ResultValue[],
  reversePath: string,
  signatures: Verification['results'],
): Identifiers {
  const chosen = results.filter(({ value }) => values.includes(value));
  const spf = chosen
    .filter((result) => result.method === 'spf' && isMailFrom(result, reversePath))
    .map(spfDomain);
  const dkim = chosen
    .filter(({ method }) => method === 'dkim')
    .map((result) => propertyOf(result, 'header', 'd'));
  return {
    spf: named(spf),
    dkim: named(dkim).map((domain) => signingDomain(domain, signatures)),
    unnamed: [...spf, ...dkim].includes(undefined),
  };
}

function named(domains: readonly (string | undefined)[]): string[] {
  return [...new Set(domains)].filter((domain) => domain !== undefined);
}

/** With `helo: always` there is a result about the HELO name beside the one that counts. */
function isMailFrom(result: Result, reversePath: string): boolean {
  if (reversePath === '' || propertyOf(result, 'smtp', 'mailfrom') !== undefined) return true;
  return propertyOf(result, 'smtp', 'helo') === undefined;
}

function spfDomain(result: Result): string | undefined {
  const identity = propertyOf(result, 'smtp', 'mailfrom') ?? propertyOf(result, 'smtp', 'helo');
  return identity?.slice(identity.lastIndexOf('@') + 1);
}

function signingDomain(domain: string, signatures: Verification['results']): SigningDomain {
  const uncovered = signatures
    .filter(({ status, signingDomain }) => status.result === 'pass' && signingDomain === domain)
    .map(({ status }) => status.underSized ?? 0);
  const underSized = uncovered.length > 0 ? Math.min(...uncovered) : 0;
  return underSized > 0 ? { domain, underSized } : { domain };
}
