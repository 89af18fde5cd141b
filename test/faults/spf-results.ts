// What the stored messages say of SPF, in runs where name servers are in trouble.
import type { Stored } from './ledger.ts';
import type { NameFault } from './name-server.ts';

/**
 * What was asked for was answered by whoever was asked: the record says pass; a forged or truncated one says fail,
 * or that there is none. After the faults every message passes: no failure is kept for longer than it may be.
 *
 * @param stored all; `forwarded`: those of which upstream surely said whose they are
 */
export function checkNames(
  faults: readonly NameFault[],
  { stored, forwarded }: { readonly stored: readonly Stored[]; readonly forwarded: readonly Stored[] },
  broken: (claim: string) => void,
): void {
  if (stored.some(({ spf }) => spf === 'fail'))
    broken('an answer to another question, or a truncated one, was believed');
  const odd = forwarded.filter(({ spf }) => spf !== 'pass' && spf !== 'temperror' && spf !== 'fail');
  for (const { id, spf = 'not judged' } of odd) broken(`${id}: SPF ${spf}`);
  const temporary = (among: readonly Stored[]) => among.filter(({ spf }) => spf === 'temperror').length;
  // A right answer in time is heard, but for a moment in which the machine does something else.
  const inTime = faults.every((fault) => fault === 'forged' || fault === 'slow');
  if (inTime && temporary(stored) > 0.1 * stored.length)
    broken(`the right answer was not waited for: ${temporary(stored)} of ${stored.length}`);
  const after = stored.filter(isAfter);
  if (temporary(after) > 1)
    broken(`names fail although the fault is over: ${temporary(after)} of ${after.length}`);
}

/** Whether it was sent when the fault was over. */
export function isAfter({ id }: Stored): boolean {
  return id.startsWith('after');
}
