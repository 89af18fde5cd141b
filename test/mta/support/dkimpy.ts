// dkimpy, an ARC implementation that shares nothing with ours: Debian's python3-dkim, run for one message at a time.
import { spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { text } from 'node:stream/consumers';
import type { SigningKey } from '../../support/signing.ts';

/** What dkimpy says of a chain. */
export interface DkimpyVerdict {
  /** `pass`, `fail`, `none`; null for a chain that has ended with cv=fail. */
  readonly cv: string | null;
  readonly reason: string;
  /** Newest first. */
  readonly sets: readonly {
    readonly instance: number;
    readonly cv: string;
    readonly seal: boolean;
    readonly messageSignature: boolean;
  }[];
}

const python = '/usr/bin/python3';
const timeoutMs = 60_000;

/**
 * Validates a chain; names are answered from `zone` alone: its first TXT, or nothing.
 *
 * dkimpy knows Ed25519, and takes it in DKIM-Signature, but not yet in ARC; here it is let do so.
 */
export async function arcVerify(
  message: Buffer,
  zone: Readonly<Record<string, { readonly TXT: readonly string[] }>>,
): Promise<DkimpyVerdict> {
  const records = Object.fromEntries(Object.entries(zone).map(([name, { TXT }]) => [name, TXT[0]]));
  const script = `
import dkim, json, sys
given = json.load(sys.stdin)
dkim.ARC_HASH_ALGORITHMS[b'ed25519-sha256'] = dkim.HASH_ALGORITHMS[b'ed25519-sha256']
message = given['message'].encode('latin-1')
def answer(name, timeout=5):
    found = given['records'].get(name.decode().rstrip('.'))
    return None if found is None else found.encode()
cv, sets, reason = dkim.arc_verify(message, dnsfunc=answer)
def plain(value): return None if value is None else value.decode()
json.dump({'cv': plain(cv), 'reason': reason, 'sets': [{
    'instance': each['instance'], 'cv': plain(each['cv']),
    'seal': each['as-valid'], 'messageSignature': each['ams-valid']} for each in sets]}, sys.stdout)
`;
  return JSON.parse(await run(script, { message: message.toString('latin1'), records })) as DkimpyVerdict;
}

/**
 * Adds an ARC set; what the message's Authentication-Results of `authservId` say goes into it, and their
 * arc result becomes its cv.
 */
export async function arcSign(message: Buffer, key: SigningKey, authservId: string): Promise<Buffer> {
  const script = `
import dkim, json, sys
given = json.load(sys.stdin)
fields = dkim.arc_sign(given['message'].encode('latin-1'), given['selector'].encode(), given['domain'].encode(),
    given['key'].encode(), given['authservId'].encode())
json.dump([field.decode('latin-1') for field in fields], sys.stdout)
`;
  const pem = createPrivateKey(key.privateKey).export({ type: 'pkcs1', format: 'pem' });
  const { domain, selector } = key;
  const given = { message: message.toString('latin1'), domain, selector, key: pem, authservId };
  const fields = JSON.parse(await run(script, given)) as readonly string[];
  if (fields.length === 0) throw new Error('dkimpy did not seal the message');
  return Buffer.concat([Buffer.from(fields.join(''), 'latin1'), message]);
}

async function run(script: string, given: unknown): Promise<string> {
  const child = spawn(python, ['-c', script], { timeout: timeoutMs, stdio: ['pipe', 'pipe', 'pipe'] });
  const { promise: exited, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  child.stdin.end(JSON.stringify(given));
  const [output, complaint, status] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  if (status !== 0) throw new Error(`python3 ended with ${status}: ${complaint}`);
  return output;
}
