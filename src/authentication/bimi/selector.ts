// Which of its records the author's domain wants to be looked at: the BIMI-Selector field.

import type { Verification } from '../mailauth.ts';
import type { HeaderField } from '../subject.ts';

const fieldName = 'bimi-selector';
const maxFieldOctets = 500;
/** Version first, exactly as written; a selector as in DKIM (RFC 6376 §3.1). */
const syntax =
  /^bimi-selector[ \t]*:[ \t]*v[ \t]*=[ \t]*BIMI1[ \t]*;[ \t]*s[ \t]*=[ \t]*([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,3})[ \t]*;?[ \t]*$/i;

/**
 * The fields that say so, those left out that are to be ignored: not as the draft has them, or not
 * covered by a signature of one of the aligned domains.
 *
 * @param aligned domains that DKIM authenticated for the author
 */
export function selectorFields(
  header: readonly HeaderField[],
  signatures: Verification['results'],
  aligned: ReadonlySet<string>,
): readonly string[] {
  const selectors = header
    .filter(({ name, raw }) => name.trim().toLowerCase() === fieldName && raw.length <= maxFieldOctets)
    .map(({ raw }) => syntax.exec(raw.toString('latin1').replace(/\r?\n/g, '')))
    .flatMap((match) => (match?.[1] && match[0].includes('BIMI1') ? [match[1]] : []));
  if (selectors.length === 0) return [];
  const signed = signatures.some(
    ({ status, signingDomain, signingHeaders }) =>
      status.result === 'pass' &&
      aligned.has((signingDomain ?? '').toLowerCase()) &&
      (signingHeaders?.keys ?? '')
        .toLowerCase()
        .split(/[\s:]+/)
        .includes(fieldName),
  );
  return signed ? selectors : [];
}
