// spf: the domain of the envelope sender lets this client send for it (RFC 7208).
import { z } from 'zod';
import { type Check, strangersOnly } from '../check.ts';
import { checkHost } from '../mailauth.ts';
import type { Property, Result } from '../result.ts';
import { toValue } from '../result.ts';

export const spf: Check<Record<never, never>> = {
  name: 'spf',
  schema: z.strictObject({}),
  skippedFor: strangersOnly,

  async mail({ client, reversePath, hostname, resolve }) {
    if (client.ip === undefined) return [];
    // RFC 7208 §2.4: with a null reverse-path the HELO identity is all there is.
    if (reversePath === '' && client.helo === undefined) {
      return [spfResult('none', { reason: 'null reverse-path, and the HELO name is not known' })];
    }
    const { ip, helo } = client;
    const { status } = await checkHost({ ip, helo, sender: reversePath, hostname, resolve });
    // The text is mailauth's own; that of the domain's "exp" is a stranger's, and never used (§11.3).
    const text = status.comment?.replace(`${hostname}: `, '');
    const value = toValue(status.result);
    const property: Property =
      reversePath === ''
        ? { ptype: 'smtp', property: 'helo', value: helo ?? '' }
        : { ptype: 'smtp', property: 'mailfrom', value: status.smtp?.mailfrom ?? '' };
    return [spfResult(value, text === undefined ? {} : { comment: text }, property)];
  },
};

function spfResult(
  value: Result['value'],
  texts: { reason?: string; comment?: string },
  ...properties: Property[]
): Result {
  return { method: 'spf', value, ...texts, properties };
}
