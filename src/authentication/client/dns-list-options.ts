// What an administrator says of lists in DNS: their zones, and what their answers mean.
import { z } from 'zod';
import type { ResultValue } from '../result.ts';

/** What an answer of a zone means. */
export interface State {
  readonly value: ResultValue;
  readonly text?: string | undefined;
}

/** One list. */
export interface ListZone {
  /** Lower case, without a final dot. */
  readonly zone: string;
  /** By answer; each octet a number, a range `4-7` or `*`. Absent: every answer is a listing. */
  readonly states?: Readonly<Record<string, State>> | undefined;
  /** Name of a header field that tells the result too. */
  readonly field?: string | undefined;
}

export interface DnsListOptions {
  readonly zones: readonly ListZone[];
}

/** What makes a list of good ones differ from one of bad ones. */
export interface ListKind {
  readonly name: 'dnswl' | 'dnsbl';
  /** What a listing means without a word about it. */
  readonly listed: ResultValue;
  readonly values: readonly [ResultValue, ...ResultValue[]];
  /** An answer that means "we do not answer you", besides 127.255.255.0/24. */
  readonly refusal: string;
}

/** RFC 1035 §2.3.4: with the 64 characters before it for IPv6, the name asked for has 253 at most. */
const zoneName = /^(?=.{1,189}$)[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63})+\.?$/;
/** RFC 5322 §2.2; what a message brings along under that name is removed, so it must be none of its own. */
const fieldName = /^[Xx]-[!-9;-~]{1,68}$/;

/** @returns the schema of a check's options */
export function dnsListSchema({ listed, values }: ListKind) {
  const state = z.strictObject({
    value: z.enum(values).describe('the result'),
    text: z.string().min(1).max(200).optional().describe('what it means, for a comment. Default: nothing'),
  });
  const zone = z.strictObject({
    zone: z
      .string()
      .regex(zoneName, { error: 'expected the name of a zone' })
      .transform((name) => name.toLowerCase().replace(/\.$/, ''))
      .describe('its name, such as `list.example`'),
    states: z
      .record(z.string(), state)
      .superRefine((states, context) => {
        for (const key of Object.keys(states).filter((each) => !isAnswerPattern(each))) {
          const message = 'expected 127.x.y.z, each a number to 255, a range such as 4-7, or *';
          context.addIssue({ code: 'custom', path: [key], message });
        }
      })
      .optional()
      .describe(
        `what its answers mean: each a \`value\` and a \`text\`, by 127.x.y.z with numbers, ranges such as 4-7, or *; the first that fits counts, and answers that none fits are no listing. Default: every answer is \`${listed}\``,
      ),
    field: z
      .string()
      .regex(fieldName, { error: 'expected the name of a header field that begins with X-' })
      .optional()
      .describe('name of a header field, X-..., that tells the result too. Default: none'),
  });
  return z.strictObject({ zones: z.array(zone).min(1).describe('the lists that are asked') });
}

/** What no answer could fit is a mistake, and would never be noticed. */
function isAnswerPattern(key: string): boolean {
  const [first, ...others] = key.split('.');
  return first === '127' && others.length === 3 && others.every(isOctetPattern);
}

function isOctetPattern(wanted: string): boolean {
  if (wanted === '*') return true;
  const [, from, to = from] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(wanted) ?? [];
  return from !== undefined && Number(from) <= Number(to) && Number(to) <= 255;
}

/** An answer for the one who asks, not for the address; unless the administrator names it. */
export function isRefusal(kind: ListKind, { states }: ListZone, answer: string): boolean {
  if (states && Object.hasOwn(states, answer)) return false;
  return answer.startsWith('127.255.255.') || answer === kind.refusal;
}

/** @returns undefined where the administrator gives none of the answers a meaning */
export function stateOf(
  { listed }: ListKind,
  { states }: ListZone,
  listings: readonly string[],
): State | undefined {
  if (!states) return { value: listed };
  const [, state] =
    Object.entries(states).find(([pattern]) => listings.some((answer) => fits(answer, pattern))) ?? [];
  return state;
}

function fits(answer: string, pattern: string): boolean {
  const octets = answer.split('.').map(Number);
  return pattern.split('.').every((wanted, i) => {
    const value = octets[i] ?? Number.NaN;
    if (wanted === '*') return true;
    const [from, to = from] = wanted.split('-').map(Number);
    return from !== undefined && to !== undefined && from <= value && value <= to;
  });
}
