// check_host() of RFC 7208 §4 as mailauth evaluates it, together with how it came to its result.
import type { SPFResult } from 'mailauth';
import { spf } from 'mailauth/lib/spf/index.js';
import { type MatchedMechanism, spfVerify } from 'mailauth/lib/spf/spf-verify.js';
import { isValidTargetName } from 'mailauth/lib/spf/syntax.js';
import { isTemporary } from '../../dns/resolver.ts';
import type { MailExchange } from '../../dns/zone.ts';
import type { ResolveFunction } from '../check.ts';
import { type ResultValue, toValue } from '../result.ts';
import { asMailauth } from '../signatures/mailauth-internals.ts';
import { spfAlias } from './spf-alias.ts';

/** RFC 7208 §4.6.4: "at least 20 seconds" are given to one evaluation. */
const timeMs = 20_000;
/** RFC 7208 §4.6.4: terms that ask DNS, and questions without an answer. */
const maxLookups = 10;
const maxVoidLookups = 2;
/**
 * Octets of all SPF records of one evaluation together. RFC 7208 §3.4 wants each below 450; what is
 * far above costs time, and macros multiply it.
 */
const maxRecordOctets = 16_384;
/** Other TXT records that are longer are nothing of ours; an explanation is a line. */
const maxOtherOctets = 1000;
/** What a stranger's explanation may take of our log and replies; RFC 5321 §4.5.3.1.5 has 512 for a line. */
const maxExplanationCharacters = 400;

/** Who is asked about. */
export interface HostQuestion {
  readonly ip: string;
  readonly helo: string | undefined;
  /** The envelope sender; '' for the HELO identity. */
  readonly sender: string;
  /** Our own name, for the macro `%{r}`. */
  readonly hostname: string;
  readonly resolve: ResolveFunction;
  /** Whether somebody wants to know the mechanism; it takes a second evaluation. */
  readonly explained: boolean;
}

/** What check_host() found. */
export interface HostAnswer {
  readonly value: ResultValue;
  /** A sentence of ours; it holds nothing that the domain wrote but parts of its record. */
  readonly comment: string | undefined;
  /** As it may be reported (RFC 8601 §2.7.2): without the local part unless the record has a use for it. */
  readonly mailFrom: string | undefined;
  /** The record of the domain itself. */
  readonly record: string | undefined;
  /** The mechanism that matched; `default` when none did; undefined without a result of the record, or if nobody asked. */
  readonly mechanism: string | undefined;
  readonly lookups: SPFResult['lookups'];
  /** What the domain says of a `fail` (RFC 7208 §6.2): a stranger's text. */
  readonly explanation: string | undefined;
}

/** RFC 7208 §4.3, for a name in HELO of which mailauth would take what follows the "@". */
const noDomain: HostAnswer = {
  value: 'none',
  comment: 'the name in HELO is no domain',
  mailFrom: undefined,
  record: undefined,
  mechanism: undefined,
  lookups: undefined,
  explanation: undefined,
};

/** Never rejects: trouble is `temperror`. */
export async function checkHost(asked: HostQuestion): Promise<HostAnswer> {
  const question = {
    ...asked,
    sender: withoutFinalDot(asked.sender),
    helo: asked.helo && withoutFinalDot(asked.helo),
  };
  const { helo, sender, resolve } = question;
  if (sender === '' && helo?.includes('@')) return noDomain;
  const at = sender.lastIndexOf('@');
  const alias = spfAlias((sender === '' ? (helo ?? '') : sender.slice(at + 1)).toLowerCase());
  if (!alias) return evaluate(question);
  const answer = await evaluate({
    ...question,
    ...(sender === '' ? { helo: alias.alias } : { sender: `${sender.slice(0, at + 1)}${alias.alias}` }),
    resolve: (name, type) => resolve(alias.restore(name), type),
  });
  const { comment, mailFrom, mechanism, explanation } = answer;
  return {
    ...answer,
    comment: comment && alias.restore(comment),
    mailFrom: mailFrom && alias.restore(mailFrom),
    mechanism: mechanism && alias.restore(mechanism),
    explanation: explanation && alias.restore(explanation),
  };
}

/** RFC 7208 §4.3: an empty label at the end makes no domain malformed, as mailauth has it. */
function withoutFinalDot(name: string): string {
  return name.replace(/(?<=[^.@])\.$/, '');
}

async function evaluate(question: HostQuestion): Promise<HostAnswer> {
  const { ip, helo, sender, hostname, resolve, explained } = question;
  const answers = new Map<string, ReturnType<ResolveFunction>>();
  using limit = new TimeLimit();
  const limited = limit.within(limitedSize(resolve));
  const recorded: ResolveFunction = (name, type) => {
    const answer = limited(name, type);
    answers.set(key(name, type), answer);
    return answer;
  };
  const found = await spf({
    ip,
    ...(helo === undefined ? {} : { helo }),
    sender,
    mta: hostname,
    resolver: asMailauth(recorded),
    maxResolveCount: maxLookups,
    maxVoidCount: maxVoidLookups,
    strict: true,
  });
  const value = toValue(found.status.result);
  return {
    value,
    comment: found.status.comment?.replace(`${hostname}: `, ''),
    mailFrom: found.status.smtp?.mailfrom,
    record: found.rr,
    mechanism: explained ? await matched(found, question, answers) : undefined,
    lookups: found.lookups,
    explanation: found.explanation?.slice(0, maxExplanationCharacters),
  };
}

/** Ends an evaluation that takes too long; mailauth would take the time from the wall clock, which may be set meanwhile. */
class TimeLimit implements Disposable {
  readonly #over = Promise.withResolvers<never>();
  readonly #timer = setTimeout(() => {
    const text = 'time limit exceeded';
    // mailauth takes the result that an error of its resolver brings along.
    this.#over.reject(Object.assign(new Error(text), { spfResult: { error: 'temperror', text } }));
  }, timeMs);

  constructor() {
    // Nothing may be asked when it is over.
    this.#over.promise.catch(() => {});
  }

  /** When the time is over, open and further questions fail. */
  within(resolve: ResolveFunction): ResolveFunction {
    return (name, type) => Promise.race([this.#over.promise, resolve(name, type)]);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/**
 * Asks for names; records of more than a reasonable size in sum are a permanent error. Exchanges that
 * can have no address, such as `localhost` or an address in the place of a name, match nothing (RFC
 * 7208 §5.4); mailauth would have them spoil the whole record.
 */
function limitedSize(resolve: ResolveFunction): ResolveFunction {
  let left = maxRecordOctets;
  return async (name, type) => {
    const answer = await resolve(name, type);
    if (type === 'MX') return (answer as MailExchange[]).filter(({ exchange }) => isHostName(exchange));
    if (type !== 'TXT') return answer;
    const records = answer.map((strings) => {
      const record = Array.isArray(strings) ? strings.join('') : String(strings);
      if (isSpf(record)) left -= record.length;
      else if (record.length > maxOtherOctets) return [''];
      return [record];
    });
    if (left < 0) {
      const text = `more than ${maxRecordOctets} octets of records`;
      // mailauth takes the result that an error of its resolver brings along.
      throw Object.assign(new Error(text), { spfResult: { error: 'permerror', text } });
    }
    return records;
  };
}

/** Two labels at least, and a top label as RFC 7208 §7.1 has it. */
function isHostName(exchange: string): boolean {
  return isValidTargetName(exchange.replace(/\.$/, ''));
}

/** RFC 7208 §4.5. */
function isSpf(record: string): boolean {
  return /^v=spf1(?: |$)/i.test(record);
}

function key(name: string, type: string): string {
  return `${type} ${name.toLowerCase()}`;
}

/** What the qualifier of a mechanism makes of a match (RFC 7208 §4.6.2). */
const qualifiers: Readonly<Partial<Record<ResultValue, string>>> = {
  pass: '+',
  fail: '-',
  softfail: '~',
  neutral: '?',
};

/**
 * mailauth's result does not say which mechanism matched, but its evaluator does: it is led once more
 * through the answers of the evaluation that has ended, and asks nobody.
 */
async function matched(
  { status, domain, 'client-ip': ip }: SPFResult,
  { helo, sender, hostname }: HostQuestion,
  answers: ReadonlyMap<string, ReturnType<ResolveFunction>>,
): Promise<string | undefined> {
  const qualifier = qualifiers[toValue(status.result)];
  if (qualifier === undefined) return undefined;
  // As mailauth has it: a sender without a local part is postmaster (RFC 7208 §4.3).
  const local = sender.slice(0, Math.max(sender.lastIndexOf('@'), 0)) || 'postmaster';
  const asked = new Map<string, string>();
  const again = async (name: string, type: string) => {
    asked.set(type, name);
    const answer = answers.get(key(name, type));
    if (!answer) throw new Error('was not asked before');
    try {
      return [...(await answer)];
    } catch (error) {
      if (isTemporary(error)) throw error;
      return [];
    }
  };
  try {
    const match = await spfVerify(domain, {
      sender: `${local}@${domain}`,
      ip,
      ...(helo === undefined ? {} : { helo }),
      mta: hostname,
      strict: true,
      resolver: again,
      expResolver: () => Promise.reject(new Error('the explanation is known')),
      createSubResolver: () => again,
    });
    // A mechanism that does not explain the result would be a wrong answer.
    if (!match || match.qualifier !== qualifier) return undefined;
    return spelled(match, asked, ip.includes(':') ? 'AAAA' : 'A');
  } catch {
    return undefined;
  }
}

/** As in a record, with names expanded; what stands inside an include after an arrow. */
function spelled(
  match: MatchedMechanism,
  asked: ReadonlyMap<string, string>,
  addressType: 'A' | 'AAAA',
): string {
  const { type, val, qualifier, include } = match;
  if (type === undefined) return 'default';
  const sign = qualifier === '+' ? '' : (qualifier ?? '');
  const inside = include ? ` -> ${spelled(include, asked, addressType)}` : '';
  // The last name that was asked for is the one that brought the match.
  if (type === 'a') return `${sign}a:${asked.get(addressType)}`;
  if (type === 'mx') return `${sign}mx:${asked.get('MX')} (${val})`;
  return val === undefined || val === '' ? `${sign}${type}` : `${sign}${type}:${val}${inside}`;
}
