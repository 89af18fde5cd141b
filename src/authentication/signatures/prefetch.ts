// Asks for key and policy records as soon as the header section names them, while the body still arrives.
import type { ResolveFunction } from '../../dns/resolver.ts';
import { type ArcSets, messageSignatureOf, sealOf } from '../arc/sets.ts';
import type { Authors } from '../dmarc/authors.ts';
import { type SignatureField, toALabel } from './mailauth-internals.ts';
import type { RefusedSignature, Signature } from './signature-field.ts';

/** Only what most messages need: what is left out here is asked for later, as it would be anyway. */
const maxKeys = 10;

/** What is known of a message when its header section has been read. */
export interface Foreseen {
  /** From the top. */
  readonly signatures: readonly (Signature | RefusedSignature)[];
  readonly arc: ArcSets;
  readonly authors: Authors;
}

/** Asks for what the checks of this message will ask for; the answers wait in the resolver's cache. */
export function prefetch(foreseen: Foreseen, resolve: ResolveFunction): void {
  for (const name of recordNames(foreseen)) {
    // Whoever needs the answer asks again, and hears of the failure then.
    resolve(name, 'TXT').catch(() => {});
  }
}

function recordNames({ signatures, arc, authors }: Foreseen): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { field } of signatures) addKey(names, field);
  for (const set of arc.chain || []) {
    addKey(names, messageSignatureOf(set));
    addKey(names, sealOf(set));
  }
  const [author] = authors.headerFrom;
  const domain = author?.slice(author.lastIndexOf('@') + 1);
  if (author?.includes('@') && domain && !domain.startsWith('[')) names.add(`_dmarc.${domain}`);
  return names;
}

function addKey(names: Set<string>, field: SignatureField | undefined): void {
  const { d, s } = field?.parsed ?? {};
  if (names.size >= maxKeys || !d?.value || !s?.value) return;
  names.add(toALabel(`${s.value}._domainkey.${d.value}`));
}
