// spf: the domain of the envelope sender lets this client send for it (RFC 7208).
import { z } from 'zod';
import { type Check, type MailContext, strangersOnly } from '../check.ts';
import { checkHost, type HostAnswer } from '../client/check-host.ts';
import { Note } from '../notes.ts';
import type { Property, Result } from '../result.ts';

/** Options of the check. */
export interface SpfOptions {
  readonly helo: 'null-sender' | 'always';
  readonly explanation: boolean;
}

/** What the domain says of a `fail`, when the administrator lets it speak; for checks of the administrator's own. */
const domainSays = new Note<string>('spf.explanation');

type Identity = 'mailfrom' | 'helo';

export const spf: Check<SpfOptions> = {
  name: 'spf',
  schema: z.strictObject({
    helo: z
      .enum(['null-sender', 'always'])
      .prefault('null-sender')
      .describe(
        'when the name in HELO is checked: only with a null sender, where it is all there is, or always, as a second result',
      ),
    explanation: z
      .boolean()
      .prefault(false)
      .describe(
        'whether the text that a domain publishes with `exp=` for those it does not authorise is shown as the reason; a stranger wrote it',
      ),
  }),
  skippedFor: strangersOnly,

  async mail(context, options) {
    const { client, reversePath, hostname, resolve, explained } = context;
    const { ip, helo } = client;
    if (ip === undefined) return [];
    // RFC 7208 §2.4: with a null reverse-path the HELO identity is all there is.
    const identities: Identity[] = reversePath === '' ? [] : ['mailfrom'];
    if (helo !== undefined && (reversePath === '' || options.helo === 'always')) identities.push('helo');
    if (identities.length === 0) {
      const reason = 'null reverse-path, and the HELO name is not known';
      return [{ method: 'spf', value: 'none', reason, properties: [] }];
    }
    const answers = await Promise.all(
      identities.map(async (identity) => {
        const sender = identity === 'helo' ? '' : reversePath;
        return { identity, answer: await checkHost({ ip, helo, sender, hostname, resolve, explained }) };
      }),
    );
    return answers.map(({ identity, answer }) => {
      tell(context, identity, answer);
      return spfResult(context, identity, answer, options);
    });
  },
};

function tell({ explain }: MailContext, identity: Identity, answer: HostAnswer): void {
  explain('identity', `smtp.${identity}`);
  if (answer.record !== undefined) explain('record', answer.record);
  if (answer.mechanism !== undefined) explain('mechanism that matched', answer.mechanism);
  if (answer.lookups) explain('lookups', answer.lookups);
  if (answer.explanation !== undefined) explain('explanation of the domain', answer.explanation);
}

function spfResult(
  { client, notes }: MailContext,
  identity: Identity,
  answer: HostAnswer,
  options: SpfOptions,
): Result {
  const { value, comment, explanation } = answer;
  const name = identity === 'helo' ? (client.helo ?? '') : (answer.mailFrom ?? '');
  const property: Property = { ptype: 'smtp', property: identity, value: name };
  // RFC 7208 §11.3: it must be clear whose words they are.
  const domain = name.slice(name.lastIndexOf('@') + 1);
  const reason =
    options.explanation && explanation !== undefined ? `${domain} explains: ${explanation}` : undefined;
  if (reason !== undefined && domainSays.read(notes) === undefined) domainSays.leave(notes, reason);
  return {
    method: 'spf',
    value,
    ...(reason && { reason }),
    ...(comment && { comment }),
    properties: [property],
  };
}
