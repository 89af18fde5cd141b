// What a look-up found, for people and for programs.
import { describeFailure } from '../dns/failures.ts';
import { isTemporary } from '../dns/resolver.ts';
import { printable, printableJson } from '../printable.ts';
import type { Finding } from './lookup.ts';

/** `none`: the name or the record does not exist; `failure`: nobody knows. */
export type Verdict = 'found' | 'none' | 'failure';

export function verdictOf({ failure }: Finding): Verdict {
  if (failure === undefined) return 'found';
  return isTemporary(Object.assign(new Error(failure), { code: failure })) ? 'failure' : 'none';
}

/** @returns whole lines */
export function reportText(finding: Finding, zoneOnly: boolean): string {
  const { name, type, records, failure, milliseconds } = finding;
  const heard = failure === undefined ? records : [describeFailure(failure)];
  const where = `${origin(finding, zoneOnly)}, ${milliseconds} ms`;
  return [`${type} ${name} (${where})`, ...heard.map((text) => `  ${text}`)]
    .map((line) => `${printable(line)}\n`)
    .join('');
}

/** @returns one line */
export function reportJson(finding: Finding): string {
  return `${printableJson({ verdict: verdictOf(finding), ...finding })}\n`;
}

function origin({ from, failure }: Finding, zoneOnly: boolean): string {
  if (from === 'network') return 'from the network';
  if (from === 'nobody') return 'not asked';
  return zoneOnly && failure === 'ENOTFOUND' ? 'from the zone, nobody else is asked' : 'from the zone';
}
