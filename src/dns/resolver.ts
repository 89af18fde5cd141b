// The resolver: the zone first, then a bounded cache, then the network, one question at a time for each name and type.
import { promises as dns } from 'node:dns';
import { domainToASCII } from 'node:url';
import { LRUCache } from 'lru-cache';
import { ServerWatch, type TellServers } from './server-watch.ts';
import { type Answer, askZone, type MailExchange, normalizeName, type Zone } from './zone.ts';

/** How names are resolved. */
export interface DnsOptions {
  /** `ip`, `ip:port` or `[ip6]:port`; without any, those of the machine. */
  readonly servers?: readonly string[];
  /** For the first try; each further try waits longer. */
  readonly timeoutMs: number;
  readonly tries: number;
  /** Answers before the network does. */
  readonly zone?: Zone;
  /** Never ask the network: a name that the zone lacks does not exist. */
  readonly zoneOnly: boolean;
  readonly cache: {
    /** Answers and failures kept; the memory used is at most about 1 KiB for each. */
    readonly entries: number;
    /** Age at which an answer is asked for again; A and AAAA: or its TTL, if that is shorter. */
    readonly maxAgeMs: number;
    /** The same for "no such name or record", and for failures such as SERVFAIL at most 5 s. */
    readonly failureAgeMs: number;
  };
  /** How long one transaction may wait for names altogether. */
  readonly transactionMs: number;
}

/**
 * Asks for a name, like `dns.promises.resolve`: A, AAAA, CNAME, PTR: strings; TXT: a list of strings
 * for each record; MX: objects. The caller owns the list it gets.
 *
 * @throws {DnsError} with `code` ENOTFOUND, ENODATA, ESERVFAIL, ETIMEOUT, EREFUSED, EBADNAME...
 */
export type ResolveFunction = (name: string, type: string) => Promise<string[] | string[][] | MailExchange[]>;

/** A question that got no answer; `code` as node:dns has it. */
export class DnsError extends Error {
  override readonly name = 'DnsError';
  readonly code: string;

  constructor(code: string, name: string, type: string) {
    // Most of them say that there is no such record, and are nothing unusual: to write down where costs more than to ask.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(`${code} for ${type} ${name}`);
    Error.stackTraceLimit = limit;
    this.code = code;
  }
}

/** Whether a failed question may succeed later; false: the name or record does not exist. */
export function isTemporary(error: unknown): boolean {
  const code = codeOf(error);
  return code !== 'ENOTFOUND' && code !== 'ENODATA' && code !== 'EBADNAME';
}

/**
 * For those who take for trouble what {@link isTemporary} does not: what is no name does not exist. Strangers
 * choose names that nobody can ask for, so that it seems that the domain in them could not be asked.
 */
export function withoutBadNames(resolve: ResolveFunction): ResolveFunction {
  return async (name, type) => {
    try {
      return await resolve(name, type);
    } catch (error) {
      throw isTemporary(error) ? error : new DnsError('ENOTFOUND', name, type);
    }
  };
}

/** How the questions so far were answered. */
export interface DnsCounts {
  /** from the zone, or refused because of `zoneOnly` */
  readonly zone: number;
  readonly cached: number;
  /** by a question that was already on its way */
  readonly joined: number;
  readonly network: number;
  /** of those to the network: SERVFAIL, timeouts and the like */
  readonly failed: number;
}

/** Is told how long a name server took, whether it answered or not. */
export type MeasureQuestion = (milliseconds: number) => void;

type Entry = { readonly answer: Answer } | { readonly failure: string };

/** A name and a type to ask for. */
interface Question {
  readonly name: string;
  readonly type: string;
  /** What the configuration answers. */
  readonly entry?: Entry;
}

/** A server in trouble is asked again soon, but not by every message. */
const troubleAgeMs = 5000;
const averageEntryBytes = 1024;

/** Resolver and cache of the whole process. */
export class Resolver {
  /** How long one transaction may wait for names altogether. */
  readonly transactionMs: number;
  readonly #options: DnsOptions;
  readonly #measure: MeasureQuestion | undefined;
  readonly #network: dns.Resolver;
  readonly #watch: ServerWatch | undefined;
  /** Those of questions that are asked with all patience. */
  readonly #patient = new Set<dns.Resolver>();
  readonly #cache: LRUCache<string, Entry>;
  readonly #inFlight = new Map<string, Promise<Entry>>();
  readonly #counts = { zone: 0, cached: 0, joined: 0, network: 0, failed: 0 };

  /** @param tell is told whether the name servers answer at all */
  constructor(options: DnsOptions, measure?: MeasureQuestion, tell?: TellServers) {
    this.#options = options;
    this.#measure = measure;
    this.transactionMs = options.transactionMs;
    this.#network = this.#newNetwork();
    const servers = () => this.#network.getServers();
    this.#watch = tell && new ServerWatch(servers, () => this.#askRoot(), tell);
    this.#cache = new LRUCache({
      max: options.cache.entries,
      // Names and answers are chosen by strangers: what they cost is bounded, not only how many there are.
      maxSize: options.cache.entries * averageEntryBytes,
      sizeCalculation: sizeBytes,
    });
  }

  get counts(): DnsCounts {
    return { ...this.#counts };
  }

  /** Answers and failures in the cache. */
  get entries(): number {
    return this.#cache.size;
  }

  /** Asks for a name. Bounded by timeout and tries only; transactions use {@link forTransaction}. */
  readonly resolve: ResolveFunction = async (name, type) => {
    const question = this.#read(name, type);
    return answered(this.#find(question) ?? (await this.#ask(question)), name, type);
  };

  /**
   * The same for one transaction, whose waiting for names is bounded in sum: time counts while at
   * least one of its questions is open. When it is used up, open and further questions fail with
   * ETIMEOUT; after `signal`, with ECANCELLED. Questions to the network go on, for others may wait too.
   */
  forTransaction(signal: AbortSignal): ResolveFunction {
    const budget = new WaitingTime(this.transactionMs);
    return async (name, type) => {
      if (signal.aborted) throw new DnsError('ECANCELLED', name, type);
      const question = this.#read(name, type);
      const found = budget.over ? undefined : this.#find(question);
      if (found) return answered(found, name, type);
      const given = budget.take();
      if (!given) throw new DnsError('ETIMEOUT', name, type);
      const aborted = Promise.withResolvers<never>();
      const abort = () => aborted.reject(new DnsError('ECANCELLED', name, type));
      signal.addEventListener('abort', abort);
      const timedOut = given.then(() => {
        throw new DnsError('ETIMEOUT', name, type);
      });
      try {
        const entry = await Promise.race([this.#ask(question), timedOut, aborted.promise]);
        return answered(entry, name, type);
      } finally {
        signal.removeEventListener('abort', abort);
        budget.giveBack();
      }
    };
  }

  /** Ends open questions to the network; they fail with ECANCELLED. */
  close(): void {
    for (const network of [this.#network, ...this.#patient]) network.cancel();
  }

  /** What the zone makes of a question. */
  #read(asked: string, askedType: string): Question {
    const name = normalizeName(asked);
    const type = askedType.toUpperCase();
    // node:dns asks for what stands before it: a stranger's name, as if it were part of another domain.
    if (name.includes('\0')) return { name, type, entry: { failure: 'EBADNAME' } };
    const { zone, zoneOnly } = this.#options;
    const found = zone ? askZone(zone, name, type) : { unknown: name };
    if (!('unknown' in found)) return { name, type, entry: found };
    return { name: found.unknown, type, ...(zoneOnly && { entry: { failure: 'ENOTFOUND' } }) };
  }

  /** What needs no waiting: the zone's answer, or one in the cache. */
  #find({ name, type, entry }: Question): Entry | undefined {
    if (entry) {
      this.#counts.zone++;
      return entry;
    }
    const cached = this.#cache.get(`${type} ${name}`);
    if (cached) this.#counts.cached++;
    return cached;
  }

  async #ask({ name, type }: Question): Promise<Entry> {
    const key = `${type} ${name}`;
    const open = this.#inFlight.get(key);
    if (open) {
      this.#counts.joined++;
      return open;
    }
    const question = this.#askNetwork(key, name, type).finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, question);
    return question;
  }

  async #askNetwork(key: string, name: string, type: string): Promise<Entry> {
    this.#counts.network++;
    const { maxAgeMs, failureAgeMs } = this.#options.cache;
    try {
      const { answer, ageMs } = await this.#query(name, type);
      this.#watch?.ended(undefined);
      // What node:dns makes of an alias of a name without such records.
      if (answer.length === 0) throw new DnsError('ENODATA', name, type);
      const entry = { answer };
      const ttl = Math.min(maxAgeMs, ageMs);
      if (ttl > 0) this.#cache.set(key, entry, { ttl });
      return entry;
    } catch (error) {
      const entry = { failure: codeOf(error) };
      this.#watch?.ended(entry.failure);
      const temporary = isTemporary(error);
      if (temporary) this.#counts.failed++;
      const ttl = temporary ? Math.min(failureAgeMs, troubleAgeMs) : failureAgeMs;
      if (ttl > 0 && entry.failure !== 'ECANCELLED') this.#cache.set(key, entry, { ttl });
      return entry;
    }
  }

  /** node:dns asks for exactly the name it is given: search lists and the hosts file are not used by it. */
  async #query(name: string, type: string): Promise<{ answer: Answer; ageMs: number }> {
    if (!canBeAsked(name)) throw new DnsError('EBADNAME', name, type);
    const begun = performance.now();
    try {
      return await askServers(this.#network, name, type);
    } catch (error) {
      const { timeoutMs, tries } = this.#options;
      // Its clock may be a little early.
      const early = performance.now() - begun < 0.9 * timeoutMs * tries;
      if (early && codeOf(error) === 'ETIMEOUT') return await this.#askPatiently(name, type);
      throw error;
    } finally {
      this.#measure?.(performance.now() - begun);
    }
  }

  /**
   * As long as the configuration says: node:dns (c-ares) waits five times as long as a server took so far, which
   * is too short for slow domains where that server is a quick cache. One that has asked nothing yet does not.
   */
  async #askPatiently(name: string, type: string): Promise<{ answer: Answer; ageMs: number }> {
    const network = this.#newNetwork();
    this.#patient.add(network);
    try {
      return await askServers(network, name, type);
    } finally {
      this.#patient.delete(network);
    }
  }

  /** @returns the failure's code */
  async #askRoot(): Promise<string | undefined> {
    return this.#askPatiently('.', 'NS').then(() => undefined, codeOf);
  }

  #newNetwork(): dns.Resolver {
    const { servers = [], timeoutMs, tries } = this.#options;
    const network = new dns.Resolver({ timeout: timeoutMs, tries });
    if (servers.length > 0) network.setServers(servers);
    return network;
  }
}

/** As node:dns has it. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'ESERVFAIL';
}

async function askServers(
  network: dns.Resolver,
  name: string,
  type: string,
): Promise<{ answer: Answer; ageMs: number }> {
  if (type === 'A' || type === 'AAAA') {
    const records = await (type === 'A'
      ? network.resolve4(name, { ttl: true })
      : network.resolve6(name, { ttl: true }));
    const ageMs = 1000 * Math.min(...records.map(({ ttl }) => ttl));
    return { answer: records.map(({ address }) => address), ageMs };
  }
  const answer = (await network.resolve(name, type)) as Answer;
  return { answer, ageMs: Number.POSITIVE_INFINITY };
}

/**
 * A fresh error and a fresh list for each caller: both are written to by libraries.
 *
 * @throws {DnsError}
 */
function answered(entry: Entry, name: string, type: string): string[] | string[][] | MailExchange[] {
  if ('failure' in entry) throw new DnsError(entry.failure, name, type);
  return [...entry.answer] as string[] | string[][] | MailExchange[];
}

/** node:dns would ask for what stands before a NUL, and for the root where another alphabet makes no name. */
function canBeAsked(name: string): boolean {
  return !name.includes('\0') && (/^\p{ASCII}*$/u.test(name) || domainToASCII(name) !== '');
}

/** Rough, and rather too much than too little. */
function sizeBytes(entry: Entry, key: string): number {
  const answer = 'answer' in entry ? entry.answer : [];
  return 200 + 2 * key.length + 2 * JSON.stringify(answer).length;
}

/** A sum of time that runs while at least one question is open. */
class WaitingTime {
  #leftMs: number;
  #open = 0;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  /** There when a question had to wait, which most transactions need not. */
  #over: PromiseWithResolvers<void> | undefined;

  constructor(totalMs: number) {
    this.#leftMs = totalMs;
  }

  /** Whether it is used up. */
  get over(): boolean {
    return this.#leftMs <= 0;
  }

  /** Counts a question; the promise resolves when the time is used up. Undefined: it is already. */
  take(): Promise<void> | undefined {
    if (this.#leftMs <= 0) return undefined;
    if (this.#open++ === 0) {
      this.#since = performance.now();
      this.#timer = setTimeout(() => this.#end(), this.#leftMs);
      this.#timer.unref();
    }
    this.#over ??= Promise.withResolvers<void>();
    return this.#over.promise;
  }

  giveBack(): void {
    if (--this.#open > 0) return;
    clearTimeout(this.#timer);
    this.#leftMs -= performance.now() - this.#since;
  }

  #end(): void {
    this.#leftMs = 0;
    this.#over?.resolve();
  }
}
