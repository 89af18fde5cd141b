// A name with which mailauth evaluates SPF of domains that it takes for none, since they are no names of hosts.
import { isValidTargetName } from 'mailauth/lib/spf/syntax.js';

/** A stand-in for a domain: macros, labels and questions work with it as they would with the domain. */
export interface SpfAlias {
  readonly alias: string;
  /** Texts and names of an evaluation, with the domain in place of its stand-in. */
  restore(text: string): string;
}

const hostLabel = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
/** What hosts must not have, but names in the DNS do: an underscore, or a hyphen at either end. */
const dnsLabel = /^[a-z0-9_-]+$/;

/**
 * RFC 7208 §4.3 knows no other malformed domains than those whose labels are too long, empty or less than two.
 *
 * @param domain in ASCII and lower case
 * @returns undefined: it needs none
 */
export function spfAlias(domain: string): SpfAlias | undefined {
  const labels = domain.split('.');
  if (labels.every((label) => hostLabel.test(label)) || !labels.every((label) => dnsLabel.test(label)))
    return undefined;
  if (!isValidTargetName(domain)) return undefined;
  let token = 'xq';
  while (domain.includes(token)) token += 'q';
  const alias = domain.replaceAll(
    /_|(?<![^.])-|-(?![^.])/g,
    (sign) => `${token}${sign.charCodeAt(0).toString(16)}`,
  );
  const coded = new RegExp(`${token}(5f|2d)`, 'gi');
  return {
    alias,
    restore: (text) => text.replaceAll(coded, (_, code) => String.fromCharCode(Number.parseInt(code, 16))),
  };
}
