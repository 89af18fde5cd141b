// dnswl: DNS lists of clients that are known to be good (RFC 5782, RFC 8904).
import { dnsListCheck } from '../client/dns-list.ts';

export const dnswl = dnsListCheck({
  name: 'dnswl',
  listed: 'pass',
  // RFC 8904 §2.
  values: ['pass', 'none', 'temperror', 'permerror'],
  // dnswl.org says so to those who ask too much (RFC 8904 §2).
  refusal: '127.0.0.255',
});
