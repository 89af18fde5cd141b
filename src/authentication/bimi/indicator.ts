// The indicator of BIMI: whether a file is one, and whether its evidence holds.
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { BIMIResult } from 'mailauth';
import { signedChain } from './certificates.ts';

/** In base64 it has 64 KiB, which is as much as one field of ours may hold. */
const maxIndicatorBytes = 49_152;

/** The most elaborate marks have a few hundred. */
const maxTags = 2000;

const unzip = promisify(gunzip);

/** A verified indicator. */
export interface Indicator {
  /** SVG, not compressed. */
  readonly svg: Buffer;
  /** Whether a mark certificate says that the domain may use it. */
  readonly certified: boolean;
  /** Who issued the certificate. */
  readonly issuer?: string;
}

/** Why a file is no indicator, or evidence no evidence. */
export class IndicatorError extends Error {
  override readonly name = 'IndicatorError';
  /** Whether it is the evidence that does not hold. */
  readonly ofEvidence: boolean;

  constructor(message: string, ofEvidence: boolean) {
    super(message);
    this.ofEvidence = ofEvidence;
  }
}

/**
 * Validates what was fetched: the indicator is an SVG Tiny PS; the evidence, where there is one, a mark
 * certificate by one of the authorities that mailauth's `@postalsys/vmc` brings along, valid now, for this
 * domain and this very indicator. Whether it was revoked is not asked.
 *
 * @throws {IndicatorError}
 */
export async function validateIndicator(
  assertion: BIMIResult,
  files: { readonly location: Buffer; readonly authority?: Buffer },
  now: Date,
): Promise<Indicator> {
  const svg = await uncompressed(files.location);
  await validateSvg(svg);
  if (!files.authority) return { svg, certified: false };
  const authorityPath = signedChain(files.authority);
  if (!authorityPath) {
    throw new IndicatorError('its signatures do not lead to an authority for marks', true);
  }
  const { validateVMC } = await import('mailauth/lib/bimi/index.js');
  // With the files at hand it downloads nothing.
  const found = await validateVMC({ ...assertion, locationPath: svg, authorityPath }, { now });
  const authority = found === false ? undefined : found.authority;
  if (!authority?.success) throw new IndicatorError(authority?.error?.message ?? 'no certificate', true);
  if (!authority.domainVerified) throw new IndicatorError('the certificate is for another domain', true);
  if (authority.hashMatch !== true) {
    throw new IndicatorError('the certificate is for another indicator', true);
  }
  const issuer: unknown = authority.vmc?.certificate?.issuer?.organizationName;
  return { svg, certified: true, ...(typeof issuer === 'string' && { issuer }) };
}

/** Indicators may come as SVGZ. */
async function uncompressed(file: Buffer): Promise<Buffer> {
  if (file.length < 2 || file.readUInt16BE(0) !== 0x1f8b) return sized(file);
  try {
    return await unzip(file, { maxOutputLength: maxIndicatorBytes });
  } catch {
    throw new IndicatorError('the indicator cannot be uncompressed, or is too large', false);
  }
}

function sized(file: Buffer): Buffer {
  if (file.length <= maxIndicatorBytes) return file;
  throw new IndicatorError(`the indicator has over ${maxIndicatorBytes} bytes`, false);
}

async function validateSvg(svg: Buffer): Promise<void> {
  const text = svg.toString('latin1');
  // The time to read them grows with the square of their number.
  if (text.split('<', maxTags + 2).length > maxTags + 1) {
    throw new IndicatorError(`the indicator has over ${maxTags} tags`, false);
  }
  // Entities make a small file large, and lists of attributes give elements what is not seen in them.
  if (/<!(?!DOCTYPE|--|\[CDATA\[)/.test(text)) {
    throw new IndicatorError('the indicator has declarations', false);
  }
  const { validateSvg: validate } = await import('mailauth/lib/bimi/validate-svg.js');
  try {
    validate(svg);
  } catch (error) {
    throw new IndicatorError(error instanceof Error ? error.message : String(error), false);
  }
  const found = notTiny.find(([pattern]) => pattern.test(text));
  if (found) throw new IndicatorError(`the indicator has ${found[1]}`, false);
  // They could hide a reference in a style.
  if (/<(?:[^\s<>/:]{1,100}:)?style\b|\sstyle\s{0,100}=/i.test(text) && /\\|&#/.test(text)) {
    throw new IndicatorError('the indicator has styles with escapes', false);
  }
}

/**
 * What SVG Tiny PS leaves out because it acts, or reaches out, where it is shown. The library looks for some
 * elements by their usual names alone; these are looked for in the text, whatever prefix or case they have.
 */
const notTiny: readonly (readonly [RegExp, string])[] = [
  // XML has none of them (§2.2), and in some encodings they are passed over.
  [/(?![\t\r\n\x80-\x9f])\p{Cc}/u, 'control characters'],
  [/\bxmlns[^\s=]{0,100}\s{0,100}=\s{0,100}["'][^"']{0,100}(?:xhtml|&)/i, 'elements of HTML'],
  [
    /<(?:[^\s<>/:]{1,100}:)?(?:script|foreignObject|image|iframe|embed|object|audio|video|animat|set\b|handler|listener)/i,
    'an element that SVG Tiny PS does not have',
  ],
  [/[\s"']on[a-z]{2,30}\s{0,100}=/i, 'an event handler'],
  [/\bhref\s{0,100}=(?!\s{0,100}["']#)/i, 'a reference to something outside'],
  [/@import|url\((?!\s{0,100}["']?#)/i, 'a reference to something outside'],
];
