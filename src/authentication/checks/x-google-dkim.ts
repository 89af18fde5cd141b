// x-google-dkim: the signatures that Google makes of what passes through it, verified like DKIM.
import { type Check, notForOwn } from '../check.ts';
import {
  type SignatureCheckOptions,
  signatureOptions,
  signatureResults,
} from '../signatures/signature-results.ts';

export const xGoogleDkim: Check<SignatureCheckOptions> = {
  name: 'x-google-dkim',
  schema: signatureOptions(3),
  skippedFor: notForOwn,

  endOfHeaders: (context, options) =>
    signatureResults(context, options, { method: 'x-google-dkim', field: 'x-google-dkim-signature' }),
};
