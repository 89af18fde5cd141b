// A seal of our own: the ARC set that tells later readers what we found (RFC 8617 §5.1).
import type { ARCChainEntry } from 'mailauth';
import { createSeal, getARChain } from 'mailauth/lib/arc/index.js';
import { Note } from '../notes.ts';
import { type HeaderRow, headerRows } from '../signatures/header-rows.ts';
import type { HeaderField } from '../subject.ts';
import { isSignable, maxOfOneName } from './signable-fields.ts';

/** Who seals. */
export interface SealOptions {
  /** `d=` of what is signed; an A-label. */
  readonly domain: string;
  /** `s=`; the public key is at `<selector>._domainkey.<domain>`. */
  readonly selector: string;
  /** PEM: RSA of 1024 bits or more, or Ed25519. */
  readonly privateKey: string;
}

/** What the arc check knows of a message that could be sealed. */
export interface Sealable {
  /** How the chain that is there validated. */
  readonly chain: 'none' | 'pass' | 'fail';
  /** The header section as it came. */
  readonly header: readonly HeaderField[];
  /** SHA-256 of the body, relaxed (RFC 6376 §3.4.4); base64. */
  readonly bodyHash: string;
}

/** For the end, when our own fields are known; none where the check did not come so far. */
export const sealableMessage = new Note<Sealable>('arc.sealable');

/** What happens to the header before a message is sent on. */
export interface Rewriting {
  /** Fields for the top, latin1 strings with CRLF; our Authentication-Results first. */
  readonly added: readonly string[];
  /** As an outcome has it. */
  readonly rewrite: (name: string, raw: Buffer) => Buffer | undefined;
}

/** RFC 8617 §4.2.1: no chain has more than 50 sets of three fields; what has more is not worth a look. */
const maxArcFields = 150;
/** Of all of them together; 50 sets of some kilobytes each. Reading tags costs more than hashing them. */
const maxArcOctets = 256 * 1024;

/** Why the RFC, or the message, does not let it be sealed; nothing that an administrator could mend. */
const expected: ReadonlySet<string> = new Set([
  /** The newest seal says cv=fail already (RFC 8617 §5.1). */
  'EARCCHAINFAILED',
  /** It would be the 51st set (§4.2.1). */
  'EINVALIDINSTANCE',
  /** The fields that are there have no instance that a next one could follow. */
  'EINVALIDCV',
  /** There is no From, without which nothing can be signed (RFC 6376 §5.4). */
  'ENOFROM',
]);

/**
 * Makes the next ARC set, over the message as it is sent on.
 *
 * @returns ARC-Seal, ARC-Message-Signature, ARC-Authentication-Results as latin1 strings with CRLF;
 *   none where RFC 8617 wants none
 * @throws {Error} for a key that can't sign
 */
export async function sealMessage(
  options: SealOptions,
  { chain: cv, header, bodyHash }: Sealable,
  { added, rewrite }: Rewriting,
  now: Date,
): Promise<readonly string[]> {
  const rows = [...headerRows(added.map(toField)), ...headerRows(asSent(header, rewrite))];
  const parsed = rowsThatCount(rows).map((row) => ({ ...row, line: relaxed(row.line) }));
  const sets = parsed.filter(({ key }) => arcFields.has(key));
  if (sets.length > maxArcFields || areOutlandish(sets)) return [];
  // RFC 8617 §5.1.2: in a chain that fails, the new set stands for itself.
  const chain: ARCChainEntry[] | false = cv === 'pass' && getARChain({ parsed }, { strict: true });
  const { headers, errors } = await createSeal(false, {
    headers: { parsed },
    arc: { chain },
    seal: {
      signingDomain: options.domain,
      selector: options.selector,
      privateKey: options.privateKey,
      cv,
      authResults: payload(added[0] ?? ''),
      headerList: [...new Set(parsed.map(({ key }) => key))].filter(isSignable),
      bodyHash,
      signTime: now,
    },
    strict: true,
  });
  const [error] = errors;
  if (error && !expected.has(error.err.code ?? '')) throw error.err;
  return headers.map((field) => `${field}\r\n`);
}

/** What was no field may continue another one, where the one above it is gone. */
function asSent(header: readonly HeaderField[], rewrite: Rewriting['rewrite']): HeaderField[] {
  return header.flatMap((field) => {
    const instead = rewrite(field.name, field.raw);
    if (instead === undefined) return [field];
    return instead.length === 0 ? [] : [toField(instead.toString('latin1'))];
  });
}

function toField(text: string): HeaderField {
  return { name: text.slice(0, text.indexOf(':')), raw: Buffer.from(text, 'latin1') };
}

const arcFields: ReadonlySet<string> = new Set([
  'arc-seal',
  'arc-message-signature',
  'arc-authentication-results',
]);

/** The fields that a set is about, those of one name bounded: signatures take them from the bottom. */
function rowsThatCount(rows: readonly HeaderRow[]): readonly HeaderRow[] {
  const taken = new Map<string, number>();
  const counting: HeaderRow[] = [];
  for (let i = rows.length - 1; i >= 0; i--) {
    const row = rows[i];
    if (!row || !(arcFields.has(row.key) || isSignable(row.key))) continue;
    const count = (taken.get(row.key) ?? 0) + 1;
    taken.set(row.key, count);
    if (count <= (arcFields.has(row.key) ? maxArcFields + 1 : maxOfOneName)) counting.push(row);
  }
  return counting.reverse();
}

/**
 * What relaxed canonicalization (RFC 6376 §3.4.2), which is all that ARC knows, does first anyway: mailauth
 * takes time that grows with the square of a run of white space when it reads tags.
 */
function relaxed(line: Buffer): Buffer {
  const unfolded = line.toString('latin1').replace(/\r\n/g, '');
  return Buffer.from(unfolded.replace(/[ \t]+/g, ' '), 'latin1');
}

/** No chain that holds has such fields, and reading them may cost more than it should. */
function areOutlandish(sets: readonly HeaderRow[]): boolean {
  const octets = sets.reduce((sum, { line }) => sum + line.length, 0);
  return octets > maxArcOctets || sets.some(({ line }) => line.includes('\r'));
}

/** "ARC-Authentication-Results: i=50; " is this much longer than "Authentication-Results: ". */
const longerBy = 10;

/** RFC 8617 §4.1.1: what follows the instance is what our Authentication-Results say, folded as there. */
function payload(field: string): string {
  const body = field.slice(field.indexOf(':') + 1).replace(/^ |\r\n$/g, '');
  const firstLine = field.slice(0, field.indexOf('\r\n'));
  return firstLine.length + longerBy > 78 ? `\r\n ${body}` : body;
}
