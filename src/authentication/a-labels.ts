// Domains in the form in which they are compared (RFC 5890 §2.3.2.1).
import { domainToASCII } from 'node:url';

/**
 * @returns lower case, A-labels for what is not ASCII, without a final dot; '' for what can't be a domain.
 *   ASCII is taken as it is: a URL's host, for which node has its function, may be written in other ways too
 */
export function toALabels(domain: string): string {
  const lower = domain.toLowerCase().replace(/\.$/, '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
  return /^[\x00-\x7f]*$/.test(lower) ? lower : domainToASCII(lower);
}
