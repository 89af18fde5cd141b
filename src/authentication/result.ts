// What a check found: method, value, reason, properties (RFC 8601 §2).

/** Every value that our checks report; which of them a method uses is in docs/checks.md. */
export type ResultValue =
  /** There was nothing to check: no signature, no record. */
  | 'none'
  /** The check succeeded. */
  | 'pass'
  /** The check failed: whoever is named is not responsible, or the message was changed. */
  | 'fail'
  /** SPF: probably not authorised, the domain does not want to say more. */
  | 'softfail'
  /** Neither; for DKIM a signature that could not be processed. */
  | 'neutral'
  /** Something is wrong by local policy, such as a key that is too weak. */
  | 'policy'
  /** It could not be found out now, a later try may succeed. */
  | 'temperror'
  /** It can't be found out, such as a record with a syntax error. */
  | 'permerror'
  /** It is not as it should be, but works: replies would reach a host that only has an address. */
  | 'warn'
  /** BIMI: the domain says that it takes no part. */
  | 'declined'
  /** BIMI: not looked for, since the message does not fulfil the conditions. */
  | 'skipped';

/** One `ptype.property=value`; the value is Unicode text, as the check knows it. */
export interface Property {
  /** `smtp`, `header`, `body` or `policy` (RFC 8601 §2.3) */
  readonly ptype: string;
  readonly property: string;
  readonly value: string;
  readonly comment?: string;
}

/** What one check found; texts are Unicode and may hold anything: they are made safe where they are written. */
export interface Result {
  /** `spf`, `dkim`... from the registry of RFC 8601 §6.2 */
  readonly method: string;
  readonly value: ResultValue;
  /** Why it has this value; becomes `reason="..."`. */
  readonly reason?: string;
  readonly comment?: string;
  readonly properties: readonly Property[];
}

/** @returns the value of a result's property, such as `header.from` */
export function propertyOf(result: Result, ptype: string, property: string): string | undefined {
  return result.properties.find((each) => each.ptype === ptype && each.property === property)?.value;
}

const values: ReadonlySet<string> = new Set<ResultValue>([
  'none',
  'pass',
  'fail',
  'softfail',
  'neutral',
  'policy',
  'temperror',
  'permerror',
  'warn',
  'declined',
  'skipped',
]);

/** A value as a library or a module of the administrator gives it; one that we don't know is an error of theirs. */
export function toValue(value: string): ResultValue {
  return values.has(value) ? (value as ResultValue) : 'permerror';
}
