// The private key that ARC sets are signed with: read from its file, tried, and blamed by line.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { resolve } from 'node:path';
import type { SealOptions } from '../authentication/arc/seal.ts';
import { type Following, readText, reasonOf } from './source.ts';

/** RFC 8301 §3.2: verifiers take no RSA key with fewer bits, and need not take one with more. */
const [leastKeyBits, mostKeyBits] = [1024, 4096];

const form = `expected an RSA key of ${leastKeyBits} to ${mostKeyBits} bits, or an Ed25519 key (PEM, without a passphrase)`;

/**
 * Reads the key of `checks.arc.seal`.
 *
 * @param seal `key` is the name of a file, relative to the configuration's directory
 * @param following mistakes are added to it
 * @returns undefined when there was a mistake
 */
export function readSeal(
  { domain, selector, key }: { readonly domain: string; readonly selector: string; readonly key: string },
  following: Following,
): SealOptions | undefined {
  const { source, mistakes, directory } = following;
  try {
    const privateKey = createUsableKey(readText(resolve(directory, key)));
    return { domain, selector, privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  } catch (error) {
    mistakes.push(`${source.place(['checks', 'arc', 'seal', 'key'])}: ${reasonOf(error)}`);
    return undefined;
  }
}

/** @throws {Error} that says what is wrong, and nothing of what the file holds */
function createUsableKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new Error(`cannot be used: no private key that can be read; ${form}`);
  }
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return key;
  const bits = details?.modulusLength ?? 0;
  if (type !== 'rsa') throw new Error(`cannot be used: a key of type ${type}; ${form}`);
  if (bits < leastKeyBits || bits > mostKeyBits) {
    throw new Error(`cannot be used: an RSA key of ${bits} bits; ${form}`);
  }
  return key;
}
