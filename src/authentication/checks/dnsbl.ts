// dnsbl: DNS lists of clients that are known to be bad (RFC 5782).
import { dnsListCheck } from '../client/dns-list.ts';

/** The method is not registered with IANA: RFC 8904 is about lists of good ones alone. */
export const dnsbl = dnsListCheck({
  name: 'dnsbl',
  listed: 'fail',
  values: ['fail', 'policy', 'neutral', 'none', 'pass', 'temperror', 'permerror'],
  // Some lists say so to resolvers that they do not serve; RFC 5782 §2.1 begins listings at 127.0.0.2.
  refusal: '127.0.0.1',
});
