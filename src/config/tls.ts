// The certificate of a listener and its key: read from their files, and tried together.
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { tlsFailure } from '../smtp/tls-failure.ts';
import type { TlsConfiguration } from './configuration.ts';
import type { ParsedConfiguration } from './schema.ts';
import { type Following, readNamed, type Source } from './source.ts';

const keyMismatch = 'ERR_OSSL_X509_KEY_VALUES_MISMATCH';
const form = 'expected a certificate and its key (PEM, the key without a passphrase)';

/**
 * Reads what `tls` of a listener names.
 *
 * @param path of that `tls`
 * @param following mistakes are added to it
 */
export function readTls(
  tls: NonNullable<ParsedConfiguration['listeners'][number]['tls']>,
  path: readonly PropertyKey[],
  following: Following,
): TlsConfiguration | undefined {
  const [certificate, key] = (['certificate', 'key'] as const).map((each) =>
    readNamed(tls[each], [...path, each], following),
  );
  if (certificate === undefined || key === undefined) return undefined;
  const reason = whyUnusable(certificate, key);
  if (reason !== undefined) {
    following.mistakes.push(`${following.source.place(path)}: cannot be used: ${reason}; ${form}`);
  }
  return { certificate, key, mode: tls.mode };
}

function whyUnusable(certificate: string, key: string): string | undefined {
  // An empty text is none at all to Node.js, and nothing wrong: STARTTLS would be offered, and every handshake fail.
  if (certificate === '') return 'the file of the certificate is empty';
  if (key === '') return 'the file of the key is empty';
  try {
    createSecureContext({ cert: certificate, key });
    return undefined;
  } catch (error) {
    const mismatch = error instanceof Error && 'code' in error && error.code === keyMismatch;
    return mismatch ? 'the key is not that of the first certificate' : tlsFailure(error);
  }
}

/**
 * One line for each certificate that is not valid at this time. It is no mistake: many clients take it all the same.
 *
 * @param tls of each listener
 */
export function invalidNow(tls: readonly (TlsConfiguration | undefined)[], source: Source): string[] {
  const now = new Date();
  return tls.flatMap((each, i): string[] => {
    if (!each) return [];
    const { validFromDate, validToDate } = new X509Certificate(each.certificate);
    const say = (what: string) => {
      const place = source.place(['listeners', i, 'tls', 'certificate']);
      return [`${place}: ${what}: clients that verify it do not connect; expected one that is valid`];
    };
    if (validToDate < now) return say(`expired on ${validToDate.toISOString()}`);
    return validFromDate > now ? say(`not valid before ${validFromDate.toISOString()}`) : [];
  });
}
