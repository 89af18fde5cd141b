// The Received field that the upstream itself wrote on top: how the client logged in, and its TLS (RFC 5321 §4.4).
import type { Client, HeaderField } from '../subject.ts';
import { type Clause, type Clauses, readClauses } from './received-clauses.ts';
import { isSameAddress } from './reverse-name.ts';

/** Who hands the message over; only there for one that is believed, and told by XFORWARD whose message it is. */
export interface Upstream {
  /** What it called itself in EHLO or LHLO: Postfix uses the same name for `by`. */
  readonly helo?: string;
  /** Its queue id, from XFORWARD IDENT. */
  readonly queueId?: string;
  /** It has no client to name: it says that the message began on its own host, as with sendmail(1). */
  readonly submitted?: boolean;
}

/** The topmost Received, and what it says where it is the upstream's. */
export interface UpstreamReceived {
  /** Its body, unfolded; absent: the message has no such field. */
  readonly field?: string;
  /** Why it is believed or not. */
  readonly judgement: string;
  /** The client logged in (RFC 3848: the A of ESMTPA); its login name where the field tells it. */
  readonly authenticated?: { readonly name?: string };
  /** The client used TLS (RFC 3848: the S of ESMTPS), and what else the field says of that. */
  readonly tls?: Tls;
}

/** What is not told is absent. */
export interface Tls {
  /** Such as `TLSv1.3`. */
  readonly version?: string;
  readonly cipher?: string;
  /** Of the key in use. */
  readonly bits?: string;
  readonly clientCertificate?: ClientCertificate;
}

export interface ClientCertificate {
  /** Whether an authority that the upstream trusts has issued it; all that is said of others is the client's own word. */
  readonly verified: boolean;
  /** Common names. */
  readonly name?: string;
  readonly issuer?: string;
}

/** Postfix limits each name that goes into the field to a few hundred bytes. */
const maxFieldBytes = 8192;

/**
 * Reads the topmost Received, when it can only be the upstream's. The danger is an upstream that adds none:
 * then the topmost is the stranger's, who can write whatever he knows beforehand.
 *
 * - It is the first Received. What else stands above it proves nothing either way: access maps, milters
 *   and header checks put fields there, and so could a stranger.
 * - Its client address is the one that XFORWARD told.
 * - Its `id` is the one that XFORWARD told (IDENT), which nobody knows before the message is there.
 *   Before the queue there is none: then its `by` is the name in the upstream's EHLO, and the address
 *   must be known.
 *
 * @param header the message's fields from the top
 * @param client as the upstream told it
 */
export function readUpstreamReceived(
  header: readonly HeaderField[],
  client: Client,
  upstream: Upstream,
): UpstreamReceived {
  const topmost = header.find(({ name }) => name.toLowerCase() === 'received');
  if (!topmost) return { judgement: 'not believed: the message has none' };
  if (topmost.raw.length > maxFieldBytes)
    return { judgement: `not believed: it has over ${maxFieldBytes} bytes` };
  const field = bodyOf(topmost.raw);
  const clauses = readClauses(field);
  const doubt = clauses ? doubtOf(clauses, client, upstream) : 'it is not written as RFC 5321 says';
  if (!clauses || doubt !== undefined) return { field, judgement: `not believed: ${doubt}` };
  const evidence = upstream.queueId === undefined ? 'name and client address' : 'queue id';
  return { field, judgement: `believed: it has the upstream’s ${evidence}`, ...session(clauses) };
}

function bodyOf(raw: Buffer): string {
  const text = raw.toString();
  return text
    .slice(text.indexOf(':') + 1)
    .replace(/\r?\n(?=[ \t])/g, '')
    .replace(/\r?\n$/, '')
    .trim();
}

/** @returns why the field need not be the upstream's, or undefined */
function doubtOf(clauses: Clauses, { ip }: Client, { helo, queueId }: Upstream): string | undefined {
  if (ip !== undefined && !isSameAddress(clientAddress(clauses.get('from')), ip)) {
    return `its client address is not ${ip}`;
  }
  if (queueId !== undefined) {
    return clauses.get('id')?.value === queueId ? undefined : `its id is not ${queueId}`;
  }
  if (ip === undefined) return 'XFORWARD told neither ADDR nor IDENT to compare it with';
  const by = clauses.get('by')?.value.toLowerCase();
  return helo !== undefined && by === helo.toLowerCase() ? undefined : `it is not by ${helo}`;
}

/** RFC 5321 §4.4, TCP-info: the first comment, of the server's own knowledge; the value before it is HELO. */
function clientAddress(from: Clause | undefined): string {
  const info = from?.comments[0] ?? '';
  return /^(?:[^\s[\]()]+ +)?\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]$/i.exec(info)?.[1] ?? '';
}

/** RFC 3848 and RFC 6531 §4.3. */
const protocol = /^(?:ESMTP|LMTP|UTF8SMTP|UTF8LMTP)(S?)(A?)$/i;

function session(clauses: Clauses): Pick<UpstreamReceived, 'authenticated' | 'tls'> {
  const [, secure = '', login = ''] = protocol.exec(clauses.get('with')?.value ?? '') ?? [];
  const tls = readTls(clauses, secure !== '');
  return { ...(login && { authenticated: loginOf(clauses) }), ...(tls && { tls }) };
}

/** `(Authenticated sender: NAME)` with `smtpd_sasl_authenticated_header`; Postfix balances parentheses in the name. */
function loginOf(clauses: Clauses): { readonly name?: string } {
  const [name, ...others] = commentsOfClient(clauses, /^Authenticated sender: ([ -~]+)$/);
  // Two of them: nobody knows which one is meant.
  return name?.[1] !== undefined && others.length === 0 ? { name: name[1] } : {};
}

function readTls(clauses: Clauses, secure: boolean): Tls | undefined {
  // Postfix with smtpd_tls_received_header.
  const [using] = commentsOfClient(
    clauses,
    /^using ([!-'*-~]{1,40}) with cipher ([!-'*-~]{1,100}) \(([0-9]{1,5})\/[0-9]{1,5} bits\)/,
  );
  if (using) {
    const [, version = '', cipher = '', bits = ''] = using;
    const clientCertificate = readCertificate(clauses);
    return { version, cipher, bits, ...(clientCertificate && { clientCertificate }) };
  }
  if (!secure) return undefined;
  // RFC 8314 §4.3, and Exim's comment before it.
  const cipher = clauses.get('tls')?.value;
  const version = clauses.get('with')?.comments.flatMap((text) => /^TLS(1\.[0-9])$/.exec(text)?.[1] ?? [])[0];
  return { ...(version && { version: `TLSv${version}` }), ...(cipher && { cipher }) };
}

/** Postfix: `Client CN "NAME", Issuer "NAME" (verified OK)`; the names may hold anything, the end is Postfix's own. */
function readCertificate(clauses: Clauses): ClientCertificate | undefined {
  const [comment] = commentsOfClient(clauses, /^Client CN .*\((verified OK|not verified)\)$/);
  if (!comment) return undefined;
  if (comment[1] !== 'verified OK') return { verified: false };
  // A quotation mark within a name: nobody knows where it ends.
  const [, name, issuer] = /^Client CN "([^"]*)", Issuer "([^"]*)" \(verified OK\)$/.exec(comment[0]) ?? [];
  return { verified: true, ...(name && { name }), ...(issuer && { issuer }) };
}

/** What Postfix says of its client stands in comments between `from` and `by`, after the address. */
function commentsOfClient(clauses: Clauses, pattern: RegExp): readonly RegExpExecArray[] {
  const comments = clauses.get('from')?.comments.slice(1) ?? [];
  return comments.map((text) => pattern.exec(text)).filter((match) => match !== null);
}
