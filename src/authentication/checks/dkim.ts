// dkim: signatures of the message, each a result of its own (RFC 6376, 8301, 8463, 8616).
import type { Check } from '../check.ts';
import {
  type SignatureCheckOptions,
  signatureOptions,
  signatureResults,
} from '../signatures/signature-results.ts';

export const dkim: Check<SignatureCheckOptions> = {
  name: 'dkim',
  schema: signatureOptions(10),
  skippedFor: [],

  endOfHeaders: (context, options) =>
    signatureResults(context, options, { method: 'dkim', field: 'dkim-signature' }),
};
