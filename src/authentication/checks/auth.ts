// auth: the client logged in at the upstream (RFC 4954, RFC 8601 §2.7.4).
import { z } from 'zod';
import type { Check } from '../check.ts';

export const auth: Check<Record<never, never>> = {
  name: 'auth',
  schema: z.strictObject({}),
  skippedFor: [],

  endOfHeaders({ received, explain }) {
    explain('topmost Received', received ?? 'not looked at: nobody who is believed said XFORWARD');
    if (!received?.authenticated) return [];
    const { name } = received.authenticated;
    const properties = name === undefined ? [] : [{ ptype: 'smtp', property: 'auth', value: name }];
    return [{ method: 'auth', value: 'pass', properties }];
  },
};
