// Public keys from DNS, without those that cost more to use than anybody needs.
import { createPublicKey } from 'node:crypto';
import type { KeyCache, PublicKey } from './mailauth-internals.ts';

/** RFC 8301 §3.2: verifiers must be able to take keys of up to 4096 bits. */
const maxKeyBits = 4096;
/** 65537 everywhere (RFC 8017 leaves it open): the time to verify grows with its length. */
const maxExponent = 2n ** 32n;

/** Fails for such a key as mailauth does for one that is none ("invalid public key"). */
export function boundedKeys(keys: KeyCache): KeyCache {
  const judged = new Map<Promise<PublicKey>, Promise<PublicKey>>();
  return {
    resolver: keys.resolver,
    get(...question) {
      // mailauth keeps its answers: the same question has the same promise.
      const found = keys.get(...question);
      const key = judged.get(found) ?? found.then(judge);
      judged.set(found, key);
      // Whoever asked ahead of time does not wait for it.
      key.catch(() => {});
      return key;
    },
  };
}

function judge(key: PublicKey): PublicKey {
  if (key.keyType !== 'rsa') return key;
  const { modulusLength = 0, publicExponent = 0n } =
    createPublicKey(key.publicKey).asymmetricKeyDetails ?? {};
  if (modulusLength <= maxKeyBits && publicExponent <= maxExponent) return key;
  const error = new Error('an RSA key too large to be used');
  throw Object.assign(error, { code: 'EINVALIDVAL', rr: key.rr });
}
