// The Received-SPF field: the result of SPF together with what it was based on (RFC 7208 §9.1).
import type { MailContext } from '../check.ts';
import { propertyOf, type Result } from '../result.ts';
import { commentWords, foldField, formatKeyValue } from './fields.ts';

/**
 * @param result one of SPF
 * @returns latin1 string of folded lines, the last with its CRLF
 */
export function formatReceivedSpf(
  result: Result,
  context: Pick<MailContext, 'client' | 'reversePath' | 'hostname'>,
  smtputf8: boolean,
): string {
  const { client, reversePath, hostname } = context;
  const text = result.comment ?? result.reason;
  // RFC 7208 §2.4: a null sender leaves only HELO, also where nothing came of it that would say so.
  const identity = reversePath === '' || propertyOf(result, 'smtp', 'helo') ? 'helo' : 'mailfrom';
  const pairs: readonly (readonly [string, string | undefined])[] = [
    ['receiver', hostname],
    ['identity', identity],
    ['client-ip', client.ip],
    ['envelope-from', reversePath || undefined],
    ['helo', client.helo],
  ];
  const words = pairs.flatMap(([key, value]) => {
    const pair = value === undefined ? undefined : formatKeyValue(key, value, smtputf8);
    return pair === undefined ? [] : [`${pair};`];
  });
  const first = [result.value, ...(text ? commentWords(`${hostname}: ${text}`, smtputf8) : [])];
  return foldField('Received-SPF:', [first, words]);
}
