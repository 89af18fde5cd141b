// The chain of a message as plain data: who sealed, with what, and what they say they found (RFC 8617 §4.1).
import type { ARCChainEntry } from 'mailauth';
import { toALabels } from '../../smtp/domains.ts';
import { afterBlank, afterComment, afterQuoted } from '../header/structured.ts';
import { withoutRuns } from '../signatures/header-rows.ts';
import { parseSignatureTags, type SignatureField } from '../signatures/mailauth-internals.ts';
import { resultsOf } from './sets.ts';

/** One signed field of a set. */
export interface SetSignature {
  /** `d=`, as {@link toALabels} gives it. */
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: string;
  /** When it was made, as far as it says so. */
  readonly time?: string;
}

/** One ARC set. */
export interface ArcSet {
  readonly instance: number;
  readonly seal: SetSignature & { readonly cv: string };
  readonly messageSignature: SetSignature;
  /** Takes time to read, and is of interest only where the sealer is trusted. */
  findings(): SealerFindings;
}

/** What an ARC-Authentication-Results says of the author, as far as local policy asks for it. */
export interface SealerFindings {
  readonly dmarc?: { readonly value: string; readonly from: string };
  /** Domains of signatures that passed. */
  readonly dkim: readonly string[];
  /** The domain of the envelope sender, if SPF passed. */
  readonly spf?: string;
}

/** @returns oldest first; empty where there is no chain, or none that can be read */
export function readChain(chain: readonly ARCChainEntry[] | false | undefined): readonly ArcSet[] {
  return (chain || []).map((set) => {
    const seal = parsedOf(set['arc-seal']);
    return {
      instance: set.i,
      seal: { ...readSignature(seal), cv: tagOf(seal, 'cv').toLowerCase() },
      messageSignature: readSignature(parsedOf(set['arc-message-signature'])),
      findings: () => readFindings(resultsOf(set)),
    };
  });
}

/** What mailauth's parser gives for one field: parts by their names. */
type Parsed = Readonly<Record<string, unknown>>;

function parsedOf(field: { readonly parsed?: object } | undefined): Parsed {
  return asParsed(field?.parsed);
}

function readSignature(parsed: Parsed): SetSignature {
  const seconds = Number(tagOf(parsed, 't') || Number.NaN);
  // RFC 6376 §3.5 allows twelve digits, which are more than a Date holds.
  const known = Number.isFinite(seconds) && seconds >= 0 && seconds < 1e11;
  return {
    domain: toALabels(tagOf(parsed, 'd')),
    selector: tagOf(parsed, 's'),
    algorithm: tagOf(parsed, 'a'),
    ...(known && { time: new Date(seconds * 1000).toISOString() }),
  };
}

function readFindings(field: SignatureField | undefined): SealerFindings {
  const line = field?.original ?? Buffer.alloc(0);
  const parsed: Parsed = parseSignatureTags(withoutRuns(line), { strict: true }).parsed;
  const dmarc = resultOf(parsed.dmarc);
  const spf = resultOf(parsed.spf);
  const dkim = (Array.isArray(parsed.dkim) ? parsed.dkim : []).map(resultOf);
  return {
    ...(saysDmarcTwice(String(line))
      ? { dmarc: { value: 'several', from: '' } }
      : dmarc.value !== '' && { dmarc: { value: dmarc.value, from: domainOf(dmarc.header.from) } }),
    dkim: dkim
      .filter(({ value }) => value === 'pass')
      .map(({ header }) => domainOf(header.d ?? header.i))
      .filter((domain) => domain !== ''),
    ...(spf.value === 'pass' && { spf: domainOf(spf.smtp.mailfrom) }),
  };
}

/** mailauth keeps the last one, which is not more true than the one before. */
function saysDmarcTwice(text: string): boolean {
  let count = 0;
  for (let at: number | undefined = 0; at !== undefined && at < text.length; ) {
    const character = text[at];
    if (character === ';') {
      at = afterBlank(text, at + 1);
      if (at !== undefined && /^dmarc(?![a-z0-9-])/i.test(text.slice(at, at + 6))) count++;
    } else if (character === '(') at = afterComment(text, at);
    else if (character === '"') at = afterQuoted(text, at);
    else at += character === '\\' ? 2 : 1;
  }
  return count > 1;
}

interface OthersResult {
  readonly value: string;
  readonly header: Parsed;
  readonly smtp: Parsed;
}

function resultOf(result: unknown): OthersResult {
  const parsed = asParsed(result);
  return {
    value: String(parsed.value ?? '').toLowerCase(),
    header: asParsed(parsed.header),
    smtp: asParsed(parsed.smtp),
  };
}

function asParsed(value: unknown): Parsed {
  return isParsed(value) ? value : {};
}

function isParsed(value: unknown): value is Parsed {
  return typeof value === 'object' && value !== null;
}

/** Of `domain`, `@domain` and `local-part@domain`; an A-label, '' for none. */
function domainOf(identity: unknown): string {
  const text = typeof identity === 'string' ? identity : '';
  return toALabels(text.slice(text.lastIndexOf('@') + 1));
}

function tagOf(parsed: Parsed, tag: string): string {
  return String(asParsed(parsed[tag]).value ?? '');
}
