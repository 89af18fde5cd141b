// Where replies to a domain would go: its MX records, or else its addresses (RFC 5321 §5.1, RFC 7505).
import { isTemporary } from '../../dns/resolver.ts';
import type { MailExchange } from '../../dns/zone.ts';
import type { ResolveFunction } from '../check.ts';
import { organisationalDomain } from '../dmarc/organisational-domain.ts';

/** What receives the mail of one name. */
export type Receiver =
  | { readonly kind: 'mx'; readonly exchanges: readonly string[] }
  /** No MX, but an address. */
  | { readonly kind: 'address' }
  /** The domain says that it takes no mail (RFC 7505). */
  | { readonly kind: 'null-mx' }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'trouble' };

/** The receiver of a domain's mail, and where it was found. */
export interface ReturnPath {
  readonly receiver: Receiver;
  /** Set where the domain itself has nothing. */
  readonly organisationalDomain?: string;
}

/**
 * Looks at the domain, and where that has nothing at all, at its organisational domain.
 *
 * @param domain lower case, A-labels, without a final dot
 * @returns never rejects: trouble is a kind of answer
 */
export async function findReturnPath(domain: string, resolve: ResolveFunction): Promise<ReturnPath> {
  const own = await findReceiver(domain, resolve);
  if (own.kind !== 'nothing') return { receiver: own };
  try {
    const above = await organisationalDomain(domain, resolve);
    if (above === domain) return { receiver: own };
    return { receiver: await findReceiver(above, resolve), organisationalDomain: above };
  } catch {
    return { receiver: { kind: 'trouble' } };
  }
}

async function findReceiver(domain: string, resolve: ResolveFunction): Promise<Receiver> {
  const mx = await ask(domain, 'MX', resolve);
  if (mx === 'trouble') return { kind: 'trouble' };
  const exchanges = (mx as MailExchange[])
    .map(({ exchange }) => exchange)
    .filter((name) => !/^\.?$/.test(name));
  // RFC 7505 §3: a null MX stands alone; where there are others, mail finds them.
  if (exchanges.length > 0) return { kind: 'mx', exchanges };
  if (mx.length > 0) return { kind: 'null-mx' };
  const addresses = await Promise.all([ask(domain, 'A', resolve), ask(domain, 'AAAA', resolve)]);
  if (addresses.some((each) => each !== 'trouble' && each.length > 0)) return { kind: 'address' };
  return { kind: addresses.includes('trouble') ? 'trouble' : 'nothing' };
}

async function ask(
  name: string,
  type: string,
  resolve: ResolveFunction,
): Promise<Awaited<ReturnType<ResolveFunction>> | 'trouble'> {
  try {
    return await resolve(name, type);
  } catch (error) {
    return isTemporary(error) ? 'trouble' : [];
  }
}
