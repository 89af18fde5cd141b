// The seals of a chain, each of which covers all sets up to its own (RFC 8617 §5.1.1, §5.2 step 6).
import { createHash, createVerify, verify } from 'node:crypto';
import type { ARCChainEntry } from 'mailauth';
import {
  formatRelaxedLine,
  type KeyCache,
  type PublicKey,
  type SignatureField,
  stripSignatureValue,
} from '../signatures/mailauth-internals.ts';
import { leastKeyBits } from '../signatures/verification.ts';
import { messageSignatureOf, resultsOf, sealOf } from './sets.ts';

/** A seal, and in canonical form what it covers: all that stands before it, and itself without its signature. */
interface Sealed {
  readonly instance: number;
  readonly seal: SignatureField;
  readonly covered: readonly [Buffer, Buffer];
}

/**
 * Verifies all seals, the newest first: where that one does not hold, nobody's keys are asked for any more.
 * mailauth would do the same, but canonicalize the oldest of fifty sets fifty times.
 *
 * @param chain whole, as `readArcSets` gives it
 * @returns why one does not hold, with a code that mailauth knows words for
 */
export async function brokenSeal(
  chain: readonly ARCChainEntry[],
  keys: KeyCache,
): Promise<Error | undefined> {
  const [newest, ...older] = sealedSets(chain).reverse();
  if (!newest) return undefined;
  try {
    await verifySeal(newest, keys);
    // All of them at once; each then waits for its own.
    for (const { seal } of older) keyOf(seal, keys).catch(() => {});
    for (const each of older) await verifySeal(each, keys);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Canonicalizes each field once, as `relaxed`, which is all that ARC knows. */
function sealedSets(chain: readonly ARCChainEntry[]): Sealed[] {
  const sets = chain.flatMap((set) => {
    const [results, signature, seal] = [resultsOf(set), messageSignatureOf(set), sealOf(set)];
    if (!results || !signature || !seal) return [];
    const others = [results, signature].map(({ original }) => formatRelaxedLine(original, '\r\n'));
    return [{ instance: set.i, seal, others: Buffer.concat(others), line: formatRelaxedLine(seal.original) }];
  });
  const whole = Buffer.concat(sets.flatMap(({ others, line }) => [others, line, Buffer.from('\r\n')]));
  let begin = 0;
  return sets.map(({ instance, seal, others, line }) => {
    const end = begin + others.length;
    begin = end + line.length + 2;
    return { instance, seal, covered: [whole.subarray(0, end), stripSignatureValue(line, true)] };
  });
}

async function verifySeal({ instance, seal, covered }: Sealed, keys: KeyCache): Promise<void> {
  const { publicKey, keyType } = await keyOf(seal, keys);
  // The syntax was judged before: `rsa-sha256` or `ed25519-sha256`.
  const algorithm = String(seal.parsed.a?.value).split('-', 1)[0]?.toLowerCase();
  if (keyType !== algorithm) throw failure('EINVALIDKEYALGO', 'the key is of another type', seal);
  const signature = Buffer.from(String(seal.parsed.b?.value), 'base64');
  const [before, itself] = covered;
  const holds =
    algorithm === 'rsa'
      ? createVerify('sha256').update(before).update(itself).verify(publicKey, signature)
      : // RFC 8463 §3: what is signed is the hash.
        verify(null, createHash('sha256').update(before).update(itself).digest(), publicKey, signature);
  if (!holds) throw failure('failing_arc_seal', `i=${instance} seal signature validation failed`, seal);
}

/** @throws {Error} that names the key */
async function keyOf(seal: SignatureField, keys: KeyCache): Promise<PublicKey> {
  try {
    return await keys.get('AS', keyName(seal), leastKeyBits, { strict: true, hashAlgo: 'sha256' });
  } catch (error) {
    throw error instanceof Error ? Object.assign(error, { queryDomain: keyName(seal) }) : error;
  }
}

function failure(code: string, message: string, seal: SignatureField): Error {
  return Object.assign(new Error(message), { code, queryDomain: keyName(seal) });
}

function keyName({ parsed }: SignatureField): string {
  return `${parsed.s?.value}._domainkey.${parsed.d?.value}`;
}
