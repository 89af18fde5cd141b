// Public keys from DNS: each record is read once for many messages, and none that costs more than anybody needs.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type ResolveFunction, withoutBadNames } from '../../dns/resolver.ts';
import { asMailauth, getPublicKey, type KeyCache, type PublicKey, toALabel } from './mailauth-internals.ts';

/** RFC 8301 §3.2: verifiers must be able to take keys of up to 4096 bits. */
const maxKeyBits = 4096;
/** 65537 everywhere (RFC 8017 leaves it open): the time to verify grows with its length. */
const maxExponent = 2n ** 32n;

/**
 * What records mean, by all that it depends on: to read one takes longer than to verify a signature with
 * it. Strangers choose the records, so the memory that they take is bounded.
 */
const read = new LRUCache<string, PublicKey>({
  maxSize: 4 * 1024 * 1024,
  // The key itself, outside of JavaScript's memory, takes about as much again.
  sizeCalculation: (_, question) => 2048 + 2 * question.length,
});

/**
 * The keys of one message, each asked for once. Fails for a key that is too large as mailauth does for one
 * that is none ("invalid public key"), and for a key name that is too long, which `d=` and `s=` of a stranger
 * can make together, as for one that does not exist.
 */
export function messageKeys(ask: ResolveFunction): KeyCache {
  const resolve = withoutBadNames(ask);
  const asked = new Map<string, Promise<PublicKey>>();
  return {
    resolver: asMailauth(resolve),
    get(type, name, minBitLength, options) {
      const question = `${type} ${minBitLength} ${options.strict} ${options.hashAlgo} ${name}`;
      const before = asked.get(question);
      if (before) return before;
      const key = findKey(resolve, type, name, minBitLength, options);
      asked.set(question, key);
      // Whoever asked ahead of time does not wait for it.
      key.catch(() => {});
      return key;
    },
  };
}

async function findKey(
  resolve: ResolveFunction,
  ...[type, name, minBitLength, options]: Parameters<KeyCache['get']>
): Promise<PublicKey> {
  const answer = await resolve(toALabel(name), 'TXT');
  const [record = ''] = answer;
  const text = Array.isArray(record) ? record.join('') : String(record);
  const question = `${type} ${minBitLength} ${options.strict} ${options.hashAlgo} ${text}`;
  const known = read.get(question);
  if (known) return known;
  const again = () => Promise.resolve(answer);
  const key = judge(await getPublicKey(type, name, minBitLength, asMailauth(again), options));
  read.set(question, key);
  return key;
}

function judge(found: PublicKey<string>): PublicKey {
  const publicKey: KeyObject = createPublicKey(found.publicKey);
  const key = { ...found, publicKey };
  if (key.keyType !== 'rsa') return key;
  const { modulusLength = 0, publicExponent = 0n } = publicKey.asymmetricKeyDetails ?? {};
  if (modulusLength <= maxKeyBits && publicExponent <= maxExponent) return key;
  const error = new Error('an RSA key too large to be used');
  throw Object.assign(error, { code: 'EINVALIDVAL', rr: key.rr });
}
