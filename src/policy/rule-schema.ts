// One rule as it is written: when it applies, and what is done then.
import { z } from 'zod';
import { toValue } from '../authentication/result.ts';
import { refusals, type Wish } from './disposition.ts';
import {
  domainPattern,
  heloPattern,
  moment,
  network,
  oneOrMore,
  senderPattern,
  text,
  unlike,
} from './fields.ts';

const methodForm = 'the method of a result, such as dkim';
/** The name of a method as rules may have it. */
export const methodName = z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$/);
const resultValue = text('a value of results such as pass, fail, none or temperror', (value) => {
  const known = toValue(value);
  return known === value ? known : undefined;
});
const clientClass = z.enum(['authenticated', 'trusted', 'local', 'unknown', 'stranger']);
const listenerName = z
  .string()
  .min(1, { error: ({ input }) => unlike(input, 'the name of a listener') })
  .max(1000);

const when = z
  .strictObject({
    results: z
      .record(methodName, oneOrMore(resultValue), {
        error: ({ code, input }) => (code === 'invalid_key' ? unlike(input, methodForm) : undefined),
      })
      .optional()
      .describe(
        'method to value or values, such as `{ dmarc: fail, spf: [fail, softfail] }`: each of the methods has a result with one of its values. Default: any',
      ),
    from: oneOrMore(domainPattern)
      .optional()
      .describe('domains of the authors in From, which anybody can write there. Default: any'),
    mailFrom: oneOrMore(senderPattern)
      .optional()
      .describe('domains or addresses of the envelope sender; `<>` is the null sender. Default: any'),
    dkim: oneOrMore(domainPattern)
      .optional()
      .describe('domains with a signature that passed. Default: any, or none'),
    networks: oneOrMore(network).optional().describe('addresses and networks of the client. Default: any'),
    helo: oneOrMore(heloPattern).optional().describe('what the client calls itself. Default: any'),
    clients: oneOrMore(clientClass).optional().describe('how far the client is trusted. Default: any'),
    listener: oneOrMore(listenerName).optional().describe('names of listeners. Default: any'),
    list: z.boolean().optional().describe('whether it came through a mailing list. Default: either'),
  })
  .describe('all of it must hold; a list holds when one of its entries does; `{}` is every message');

/** RFC 5321 §4.5.3.1.5 has 512 octets for a reply line. */
const maxTextCharacters = 400;

const replyText = text(`1 to ${maxTextCharacters} printable ASCII characters`, (value) =>
  /^[\x20-\x7e]+$/.test(value) && value.length <= maxTextCharacters ? value : undefined,
);

function replySchema(kind: 'reject' | 'tempfail', codeForm: string) {
  const { codes, code, enhancedCodes, enhancedCode } = refusals[kind];
  const error = ({ input }: { readonly input?: unknown }) => unlike(input, codeForm);
  return z.strictObject({
    code: z
      .int({ error })
      .refine((value) => codes.test(String(value)), { error })
      .optional()
      .describe(`${codeForm}. Default: ${code}`),
    enhancedCode: text(`an enhanced status code such as ${enhancedCode}`, (value) =>
      enhancedCodes.test(value) ? value : undefined,
    )
      .optional()
      .describe(`enhanced status code (RFC 3463). Default: ${enhancedCode}`),
    text: replyText
      .optional()
      .describe('for the sender, in printable ASCII. Default: that it is local policy'),
  });
}

/** What a rule does; the reply's parts have defaults where they are used. */
export type Action = Omit<Wish, 'reason'>;

const then = z
  .union([
    z.enum(['accept', 'quarantine', 'reject', 'tempfail', 'discard']),
    z
      .strictObject({
        reject: replySchema('reject', 'a code from 500 to 559')
          .optional()
          .describe('refuses the message for good. Default: not this'),
        tempfail: replySchema('tempfail', 'a code from 400 to 459 but 421')
          .optional()
          .describe('lets the upstream try again later. Default: not this'),
      })
      .refine(({ reject, tempfail }) => (reject === undefined) !== (tempfail === undefined), {
        error: 'not one thing to do; expected a mapping with reject or with tempfail',
      }),
  ])
  .transform((value): Action => {
    if (typeof value === 'string') return { kind: value };
    return value.reject ? { kind: 'reject', ...value.reject } : { kind: 'tempfail', ...value.tempfail };
  })
  .describe(
    'what is done: `accept` (nothing else is looked at), `quarantine`, `reject`, `tempfail`, `discard`, or `{ reject: { code: 550, enhancedCode: 5.7.1, text: … } }` and the same with `tempfail`',
  );

export const ruleSchema = z.strictObject({
  name: text('a name of 1 to 100 characters', (value) =>
    /^[^\p{Cc}\u2028\u2029]{1,100}$/u.test(value) ? value : undefined,
  )
    .optional()
    .describe('for the log, and the reason of a quarantine. Default: its place in the list'),
  when,
  then,
  percent: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .describe('to how many of these messages it applies, the same ones each time. Default: 100'),
  until: moment
    .optional()
    .describe('the last day (UTC), or the time, at which it still applies. Default: for ever'),
});

/** Rules in their order; of the first that applies, `then` is done. */
export const rulesSchema = z.array(ruleSchema).max(1000);

/** One rule, read. */
export type Rule = z.output<typeof ruleSchema>;
