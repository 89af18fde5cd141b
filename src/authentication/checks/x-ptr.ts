// x-ptr: the name in HELO is one that the client's address has, and that has the address.
import { z } from 'zod';
import { type Check, strangersOnly } from '../check.ts';
import { type ClientNames, findClientNames } from '../client/client-names.ts';
import { parseAddress } from '../client/reverse-name.ts';
import type { Property, Result } from '../result.ts';

export const xPtr: Check<Record<never, never>> = {
  name: 'x-ptr',
  schema: z.strictObject({}),
  skippedFor: strangersOnly,

  async helo({ client, resolve, explain }) {
    const address = parseAddress(client.ip);
    if (!address) return [];
    const { helo } = client;
    if (helo === undefined || helo === '') return [xPtrResult('none', 'the HELO name is not known')];
    const smtpHelo: Property = { ptype: 'smtp', property: 'helo', value: helo };
    // RFC 5321 §4.1.3: a client without a name gives its address.
    if (helo.startsWith('[') || parseAddress(helo)) {
      return [xPtrResult('none', 'HELO has an address in the place of a name', smtpHelo)];
    }
    const found = await findClientNames(address, resolve);
    explain('names that have the address', found.confirmed);
    const match = found.confirmed.find((name) => comparable(name) === comparable(helo));
    const name = match ?? found.confirmed[0];
    const ptr: Property[] = name === undefined ? [] : [{ ptype: 'policy', property: 'ptr', value: name }];
    const [value, reason] = match === undefined ? failure(found) : (['pass', undefined] as const);
    return [xPtrResult(value, reason, smtpHelo, ...ptr)];
  },
};

function failure({ confirmed, trouble }: ClientNames): readonly [Result['value'], string] {
  if (trouble === 'reverse') return ['temperror', 'the address could not be looked up'];
  if (trouble) return ['temperror', 'a name of the address could not be looked up'];
  if (confirmed.length === 0) return ['fail', 'the address has no confirmed name'];
  return ['fail', 'HELO is not a confirmed name of the address'];
}

/** RFC 4343: case does not matter; neither does a final dot. */
function comparable(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

function xPtrResult(
  value: Result['value'],
  reason: string | undefined,
  ...properties: readonly Property[]
): Result {
  return { method: 'x-ptr', value, ...(reason && { reason }), properties };
}
