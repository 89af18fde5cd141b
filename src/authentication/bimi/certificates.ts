// The file with a mark certificate: whether signatures lead from it to an authority for marks (RFC 5280 §6.1.3).
import { X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';

/** The mark certificate, two or three above it, and some patience. */
const maxCertificates = 10;
const begin = '-----BEGIN CERTIFICATE-----';
const end = '-----END CERTIFICATE-----';

/** The package whose list of authorities mailauth goes by; it is not ours to choose another version. */
const requireOfMailauth = createRequire(import.meta.resolve('mailauth'));

/**
 * Verifies that each certificate was signed by the one after it, and the last by an authority, from there
 * down: no key of a stranger's is used that nobody vouches for. `@postalsys/vmc`, which judges all else of them,
 * compares the names of issuers, which anybody can write, and takes a minute to find no certificate in a file
 * that was made for that.
 *
 * @param file PEM
 * @returns these certificates and nothing else; undefined: what is there is no such chain
 */
export function signedChain(file: Buffer): Buffer | undefined {
  const { RootStore } = requireOfMailauth('@postalsys/vmc') as {
    readonly RootStore: { create(): { readonly rootCerts: readonly X509Certificate[] } };
  };
  try {
    const chain = readCertificates(file.toString('latin1'));
    let issuers = RootStore.create().rootCerts;
    for (const certificate of chain.toReversed()) {
      if (!issuers.some((issuer) => isSignedBy(certificate, issuer))) return undefined;
      issuers = [certificate];
    }
    return chain.length === 0 ? undefined : Buffer.from(chain.map(String).join(''));
  } catch {
    return undefined; // bytes that are no certificate, or a key of an unknown kind
  }
}

/** @throws {Error} for one that can't be read */
function readCertificates(text: string): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let at = text.indexOf(begin); at >= 0 && found.length < maxCertificates; ) {
    const close = text.indexOf(end, at);
    if (close < 0) break;
    found.push(new X509Certificate(text.slice(at, close + end.length)));
    at = text.indexOf(begin, close);
  }
  return found;
}

/** Authorities sign their own, and stand in many a file. */
function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
