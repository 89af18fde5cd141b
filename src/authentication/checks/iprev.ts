// iprev: the client's address has a name, and the name has the address (RFC 8601 §3).
import { z } from 'zod';
import { type Check, strangersOnly } from '../check.ts';
import { type ClientNames, findClientNames } from '../client/client-names.ts';
import { parseAddress } from '../client/reverse-name.ts';
import type { Result } from '../result.ts';

export const iprev: Check<Record<never, never>> = {
  name: 'iprev',
  schema: z.strictObject({}),
  skippedFor: strangersOnly,

  async connect({ client, resolve, explain }) {
    const address = parseAddress(client.ip);
    if (!address) return [];
    const found = await findClientNames(address, resolve);
    explain('names of the address', found.names);
    explain('names that have the address', found.confirmed);
    const [comment] = found.confirmed;
    const verdict = judge(found);
    return [
      {
        method: 'iprev',
        ...verdict,
        properties: [
          { ptype: 'policy', property: 'iprev', value: address.toString(), ...(comment && { comment }) },
        ],
      },
    ];
  },
};

/** RFC 8601 §2.7.3. */
function judge({ names, confirmed, trouble }: ClientNames): Pick<Result, 'value' | 'reason'> {
  if (confirmed.length > 0) return { value: 'pass' };
  if (trouble === 'reverse') return { value: 'temperror', reason: 'the address could not be looked up' };
  if (trouble) return { value: 'temperror', reason: 'a name of the address could not be looked up' };
  if (names.length === 0) return { value: 'permerror', reason: 'the address has no name' };
  return { value: 'fail', reason: 'no name of the address has this address' };
}
