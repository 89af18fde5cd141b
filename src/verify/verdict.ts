// Pass, fail or error: what the exit status says, from the results.
import type { Result } from '../authentication/result.ts';

/** What became known of the author; the reason names the results that decide. */
export interface Verdict {
  readonly verdict: 'pass' | 'fail' | 'error';
  readonly because: string;
}

const failures: ReadonlySet<Result['value']> = new Set(['fail', 'softfail', 'policy']);

/**
 * The verdict. DMARC has it, where it says more than `none`. Else SPF and DKIM have, as DMARC would:
 * one that passes is enough; when a name server did not answer it is not known; then a failure counts,
 * then what could not be evaluated. Where nothing was checked, nothing failed.
 */
export function verdictOf(results: readonly Result[]): Verdict {
  const dmarc = results.find(({ method, value }) => method === 'dmarc' && value !== 'none');
  if (dmarc) return { verdict: ofDmarc(dmarc), because: name(dmarc) };
  const others = results.filter(({ method }) => method === 'spf' || method === 'dkim');
  const find = (fits: (value: Result['value']) => boolean) => others.find(({ value }) => fits(value));
  const pass = find((value) => value === 'pass');
  if (pass) return { verdict: 'pass', because: name(pass) };
  const temporary = find((value) => value === 'temperror');
  if (temporary) return { verdict: 'error', because: name(temporary) };
  const failure = find((value) => failures.has(value));
  if (failure) return { verdict: 'fail', because: name(failure) };
  const permanent = find((value) => value === 'permerror');
  if (permanent) return { verdict: 'error', because: name(permanent) };
  return { verdict: 'pass', because: 'nothing failed' };
}

function ofDmarc({ value }: Result): Verdict['verdict'] {
  if (value === 'pass') return 'pass';
  return value === 'fail' ? 'fail' : 'error';
}

function name({ method, value }: Result): string {
  return `${method}=${value}`;
}
