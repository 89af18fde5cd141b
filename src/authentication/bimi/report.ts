// What BIMI writes into the header: properties of the result, and the fields that mail programs read.
import { createHash } from 'node:crypto';
import type { BIMIResult } from 'mailauth';
import type { AddedField } from '../check.ts';
import type { Property } from '../result.ts';
import type { Indicator } from './indicator.ts';

/**
 * Properties of the result.
 *
 * @param authority what became of the evidence; undefined: it did not come to that
 */
export function bimiProperties(
  { status, authority: uri }: BIMIResult,
  authority: 'pass' | 'fail' | 'none' | undefined,
  indicator?: Indicator,
): readonly Property[] {
  const found: { readonly d?: unknown; readonly selector?: unknown } = status.header ?? {};
  const hash = indicator && createHash('sha256').update(indicator.svg).digest('hex').slice(-8);
  const all: readonly (readonly [string, string, unknown])[] = [
    ['header', 'd', found.d],
    ['header', 'selector', found.selector],
    ['policy', 'authority', authority],
    ['policy', 'authority-uri', authority && uri],
    ['policy', 'indicator-hash', hash],
  ];
  return all.flatMap(([ptype, property, value]) =>
    typeof value === 'string' && value !== '' ? [{ ptype, property, value }] : [],
  );
}

/** Longer ones could not be written without white space inside. */
const writableUrl = /^[\x21-\x7e]{1,700}$/;

/** The fields for an indicator; where none was fetched, whoever shows it has to do that. */
export function bimiFields(
  { location, authority }: BIMIResult,
  indicator: Indicator | undefined,
): readonly AddedField[] {
  // Both only where it is known that both are the same indicator.
  const urls = [location, indicator?.certified ? authority : undefined].filter((url) => url !== undefined);
  if (!urls.every((url) => writableUrl.test(url))) return [];
  const [l, a] = urls;
  const value = `v=BIMI1; l=${l}${a === undefined ? '' : `; a=${a}`}`;
  const fields = [{ name: 'BIMI-Location', value }];
  if (!indicator) return fields;
  return [...fields, { name: 'BIMI-Indicator', value: indicator.svg.toString('base64') }];
}
