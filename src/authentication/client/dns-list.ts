// Lists of client addresses in DNS (RFC 5782): asks a zone about a client and says what its answer means.
import ipaddr from 'ipaddr.js';
import { isTemporary } from '../../dns/resolver.ts';
import {
  type AddedField,
  type Check,
  type ConnectContext,
  type Finding,
  type ResolveFunction,
  strangersOnly,
} from '../check.ts';
import { safeText } from '../header/fields.ts';
import type { Property, Result, ResultValue } from '../result.ts';
import {
  type DnsListOptions,
  dnsListSchema,
  isRefusal,
  type ListKind,
  type ListZone,
  stateOf,
} from './dns-list-options.ts';
import { type Address, parseAddress, reversed } from './reverse-name.ts';

/** RFC 5782 §2.1: an answer is in 127.0.0.0/8; others come from a parked or stolen domain. */
const listing = /^127\./;
/** Of the answers of one zone; lists give a handful. */
const maxAnswers = 10;
const maxTextCharacters = 300;
/** RFC 5782 §5: these test entries are never listed; where they are, everything is. */
const neverListed = { ipv4: ipaddr.parse('127.0.0.1'), ipv6: ipaddr.parse('::ffff:7f00:1') } as const;

/** A check of any number of zones, side by side, one result each. */
export function dnsListCheck(kind: ListKind): Check<DnsListOptions> {
  return {
    name: kind.name,
    schema: dnsListSchema(kind),
    skippedFor: strangersOnly,
    ownFields: ({ zones }) => zones.flatMap(({ field }) => (field === undefined ? [] : [field])),

    async connect(context, { zones }): Promise<Finding> {
      const address = parseAddress(context.client.ip);
      if (!address) return {};
      const asked = await Promise.all(
        zones.map(async (zone) => ({ zone, verdict: await judge(kind, zone, address, context) })),
      );
      return {
        results: asked.map(({ zone, verdict }) => dnsListResult(kind.name, zone.zone, verdict)),
        fields: asked.flatMap(({ zone, verdict }) => fieldOf(zone, verdict)),
      };
    },
  };
}

/** What a zone said of an address. */
interface Verdict {
  readonly value: ResultValue;
  readonly reason?: string;
  readonly comment?: string | undefined;
  readonly listings?: readonly string[];
  readonly txt?: string | undefined;
}

async function judge(
  kind: ListKind,
  list: ListZone,
  address: Address,
  { resolve, explain }: ConnectContext,
): Promise<Verdict> {
  const name = `${reversed(address)}.${list.zone}`;
  const answers = await askFor(name, resolve);
  explain(name, answers);
  if (answers === 'trouble') return { value: 'temperror', reason: 'the zone could not be asked' };
  const listings = answers.filter((answer) => listing.test(answer)).slice(0, maxAnswers);
  if (listings.length === 0) {
    return answers.length === 0
      ? { value: 'none' }
      : { value: 'none', reason: 'the answer is not in 127.0.0.0/8, and no listing' };
  }
  if (listings.some((answer) => isRefusal(kind, list, answer))) {
    const reason = 'the zone refuses to answer (over quota, or not for this resolver)';
    return { value: 'permerror', reason, listings };
  }
  const test = await askFor(`${reversed(neverListed[address.kind()])}.${list.zone}`, resolve);
  if (test !== 'trouble' && test.some((answer) => listing.test(answer))) {
    return { value: 'permerror', reason: 'the zone lists every address', listings };
  }
  const state = stateOf(kind, list, listings);
  if (!state) return { value: 'none', reason: 'the configuration gives this answer no meaning', listings };
  const txt = state.value === 'none' ? undefined : await textOf(name, resolve);
  return { value: state.value, comment: state.text, listings, txt };
}

async function askFor(name: string, resolve: ResolveFunction): Promise<string[] | 'trouble'> {
  try {
    return (await resolve(name, 'A')).map(String);
  } catch (error) {
    return isTemporary(error) ? 'trouble' : [];
  }
}

/** The zone's own words; a stranger's text that must not be long nor break what it stands in. */
async function textOf(name: string, resolve: ResolveFunction): Promise<string | undefined> {
  try {
    const [first] = await resolve(name, 'TXT');
    const text = Array.isArray(first) ? first.join('') : '';
    return safeText(text.slice(0, maxTextCharacters), false) || undefined;
  } catch {
    return undefined; // it is only an addition
  }
}

/** RFC 8904 §2; `dns.sec` is left out, for we do not validate signatures. */
function dnsListResult(method: string, zone: string, verdict: Verdict): Result {
  const { value, reason, comment, listings = [], txt } = verdict;
  const properties: Property[] = [{ ptype: 'dns', property: 'zone', value: zone }];
  if (listings.length > 0) properties.push({ ptype: 'policy', property: 'ip', value: listings.join(',') });
  if (txt !== undefined) properties.push({ ptype: 'policy', property: 'txt', value: txt });
  return { method, value, ...(reason && { reason }), ...(comment && { comment }), properties };
}

function fieldOf(
  { zone, field }: ListZone,
  { value, reason, comment, listings = [] }: Verdict,
): AddedField[] {
  if (field === undefined) return [];
  const text = comment ?? reason;
  return [{ name: field, value: [value, zone, ...listings, ...(text ? [`(${text})`] : [])].join(' ') }];
}
