// dkim: signatures of the message, each a result of its own (RFC 6376, 8301, 8463, 8616).

import type { DKIMResult } from 'mailauth';
import { z } from 'zod';
import type { Check } from '../check.ts';
import type { Property, Result } from '../result.ts';
import { toValue } from '../result.ts';

export const dkim: Check<Record<never, never>> = {
  name: 'dkim',
  schema: z.strictObject({}),
  skippedFor: [],

  async endOfHeaders({ verification, resolve }) {
    const message = await verification;
    const { findings } = await message.verify('dkim-signature', {
      resolve,
      maximum: 10,
      minimumKeyBits: 1024,
    });
    if (findings.length === 0) {
      return [{ method: 'dkim', value: 'none', comment: 'message not signed', properties: [] }];
    }
    return findings.flatMap((each) => (each.kind === 'verified' ? [dkimResult(each.result)] : []));
  },
};

/** In the order in which readers know them from elsewhere. */
const headerProperties = ['d', 'i', 's', 'a', 'b'] as const;

function dkimResult(signature: DKIMResult): Result {
  const { status } = signature;
  const value = toValue(status.result);
  const reason = value === 'pass' || value === 'none' ? undefined : status.comment;
  const comment = value === 'none' ? status.comment : describe(signature);
  const properties: Property[] = headerProperties.flatMap((property) => {
    const found: unknown = status.header?.[property];
    return typeof found === 'string' ? [{ ptype: 'header', property, value: found }] : [];
  });
  const rules = status.policy?.['dkim-rules'];
  if (rules !== undefined) properties.push({ ptype: 'policy', property: 'dkim-rules', value: rules });
  return { method: 'dkim', value, ...(reason && { reason }), ...(comment && { comment }), properties };
}

/** What an administrator wants to see beside the value: the key, and what the signature leaves open. */
function describe({ publicKey, modulusLength, algo, status }: DKIMResult): string {
  const notes: string[] = [];
  const keyType = algo?.split('-', 1)[0] ?? '';
  // Only RSA keys come in sizes.
  if (publicKey !== undefined) notes.push(`${modulusLength ? `${modulusLength}-bit ` : ''}${keyType} key`);
  if (status.testing) notes.push('testing');
  if (status.underSized) notes.push(`${status.underSized} octets of the body not signed`);
  return notes.join(', ');
}
