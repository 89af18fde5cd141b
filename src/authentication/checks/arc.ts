// arc: the chain of those who handled the message and say what they found (RFC 8617).

import type { ARCChainEntry } from 'mailauth';
import { z } from 'zod';
import type { Check } from '../check.ts';
import { validateChain } from '../mailauth.ts';
import type { Result } from '../result.ts';
import { toValue } from '../result.ts';

export const arc: Check<Record<never, never>> = {
  name: 'arc',
  schema: z.strictObject({}),
  skippedFor: [],

  async endOfHeaders({ verification, resolve, client }) {
    const { status, i, chain } = await validateChain(await verification, resolve);
    // RFC 8617 §5.2.1: every failure is permanent, that of DNS too; so there is no temperror.
    const value = toValue(status.result);
    const comment = value === 'none' ? undefined : [`i=${i || '?'}`, ...sealers(chain)].join(' ');
    const reason = value === 'fail' ? (status.comment ?? 'the chain could not be validated') : undefined;
    // RFC 8617 §6: the address is the one thing that a later reader of the seal can't know.
    const properties: Result['properties'] =
      value === 'none' || client.ip === undefined
        ? []
        : [{ ptype: 'smtp', property: 'remote-ip', value: client.ip }];
    return [{ method: 'arc', value, ...(reason && { reason }), ...(comment && { comment }), properties }];
  },
};

/** Who sealed, newest first. */
function sealers(chain: readonly ARCChainEntry[] | false | undefined): string[] {
  const domains = (chain || []).map((set) => String(set['arc-seal']?.parsed?.d?.value ?? '?')).reverse();
  return domains.length > 0 ? [`sealed by ${domains.join(', ')}`] : [];
}
