// What both ends know of each message, and whether both together are what Postern promises.
import { type ReceivedMail, tooEarly } from './mail.ts';

/** What upstream was told about one recipient of a message. */
export interface SentRecipient {
  /** The forward-path with its parameters. */
  readonly address: string;
  /** The reply to the message for this recipient; undefined: none came. */
  final: string | undefined;
}

/** A message as upstream sent it, or tried to. */
export interface Sent {
  readonly id: string;
  /** The reverse-path of its transaction, with its parameters; '' where none was accepted. */
  sender: string;
  readonly sizeBytes: number;
  /** Of what downstream must store, but for added header fields. */
  readonly digest: string;
  /** On the clock of `performance.now()`; before MAIL. */
  readonly begunAt: number;
  /** After the last that was heard of it; undefined: it is not over. */
  endedAt: number | undefined;
  /** Those whose RCPT got 2yz. */
  readonly recipients: SentRecipient[];
  /** Whether upstream itself went away, so that no reply could reach it. */
  left: boolean;
  /** Whether its final dot was written. */
  ended: boolean;
  /** Name of its connection in the dialogue. */
  readonly connection: string;
}

/** Whether upstream was told that the message is stored, for each recipient. */
export function acknowledged({ recipients }: Sent): boolean {
  return recipients.length > 0 && recipients.every(({ final }) => final?.startsWith('2'));
}

/** What became of the reply to a message for one recipient. */
export interface StoredRecipient {
  readonly address: string;
  /**
   * - `lost`: the reply was never, or not properly, given
   * - `mistaken`: the same, and a 5yz too many came before it, which nobody could tell from the reply
   */
  readonly reply: 'given' | 'lost' | 'mistaken';
}

/** A message that downstream has stored: it saw a final dot. */
export interface Stored extends ReceivedMail {
  readonly sender: string;
  readonly recipients: readonly StoredRecipient[];
  readonly connection: string;
}

export interface Figures {
  messages: number;
  /** Those whose final dot was written. */
  ended: number;
  /** Recipients of whom upstream was told that the message is stored. */
  acknowledged: number;
  refused: number;
  unanswered: number;
  /** Stored although upstream does not know: downstream's reply was lost. */
  ambiguousDownstream: number;
  /** The same, because upstream was gone, or Postern was killed. */
  ambiguousUpstream: number;
}

export const noFigures = (): Figures => ({
  messages: 0,
  ended: 0,
  acknowledged: 0,
  refused: 0,
  unanswered: 0,
  ambiguousDownstream: 0,
  ambiguousUpstream: 0,
});

/** A broken promise, and the connections on which it can be seen. */
export interface Violation {
  readonly claim: string;
  readonly connections: readonly string[];
}

export interface Verdict {
  readonly figures: Figures;
  /** What is stored without upstream's knowing: message, recipient, and what upstream was told. */
  readonly ambiguous: readonly string[];
  readonly violations: readonly Violation[];
}

/**
 * Holds the ledgers against each other.
 *
 * @param kills when Postern was killed: the replies that it had not passed on are lost with it
 */
export function judge(
  sent: readonly Sent[],
  stored: readonly Stored[],
  kills: readonly number[] = [],
): Verdict {
  const figures = noFigures();
  const ambiguous: string[] = [];
  const violations: Violation[] = [];
  const byId = new Map<string, Stored[]>();
  for (const each of stored) byId.set(each.id, [...(byId.get(each.id) ?? []), each]);
  const known = new Map(sent.map((message) => [message.id, message]));
  for (const { id, connection } of stored) {
    if (!known.has(id))
      violations.push({ claim: `stored what nobody sent: ${id}`, connections: [connection] });
  }
  for (const message of sent) {
    figures.messages += 1;
    if (message.ended) figures.ended += 1;
    const copies = byId.get(message.id) ?? [];
    const connections = [message.connection, ...copies.map(({ connection }) => connection)];
    const broken = (claim: string) => violations.push({ claim: `${message.id}: ${claim}`, connections });
    const excused = message.left || kills.some((at) => isOpen(message, at));
    for (const { digest, sender } of copies) {
      if (digest !== message.digest) broken('stored in part or altered');
      if (sender !== message.sender) broken(`stored as from ${sender}, sent from ${message.sender}`);
    }
    const addresses = new Set(copies.flatMap(({ recipients }) => recipients.map(({ address }) => address)));
    for (const address of addresses) {
      if (!message.recipients.some((each) => each.address === address) && !excused)
        broken(`stored for ${address}, who was not accepted`);
    }
    for (const recipient of message.recipients) {
      const found = copies.flatMap(({ recipients }) =>
        recipients.filter(({ address }) => address === recipient.address),
      );
      if (found.length > 1) broken(`stored ${found.length} times for ${recipient.address}`);
      const claim = compare(message, recipient, found, excused, figures);
      if (claim !== undefined) broken(claim);
      else if (found.length > 0 && !recipient.final?.startsWith('2'))
        ambiguous.push(`${message.id} for ${recipient.address}: ${recipient.final ?? 'no reply'}`);
    }
  }
  return { figures, ambiguous, violations };
}

function isOpen({ begunAt, endedAt = Number.POSITIVE_INFINITY }: Sent, at: number): boolean {
  return begunAt <= at && at <= endedAt;
}

/**
 * @param excused upstream or Postern was gone: no reply could reach upstream
 * @returns what is wrong
 */
function compare(
  message: Sent,
  { address, final }: SentRecipient,
  found: readonly StoredRecipient[],
  excused: boolean,
  figures: Figures,
): string | undefined {
  const acknowledged = final?.startsWith('2') ?? false;
  if (acknowledged) {
    figures.acknowledged += 1;
    if (found.length === 0) return `acknowledged for ${address} with "${final}" and not stored`;
    if (final?.includes(message.id) || final === tooEarly) return undefined;
    return `acknowledged with another message's reply: ${final}`;
  }
  if (final === undefined) figures.unanswered += 1;
  else figures.refused += 1;
  if (found.length === 0) return undefined;
  if (found.some(({ reply }) => reply === 'given')) {
    if (final !== undefined || !excused)
      return `stored for ${address} with a reply that upstream was not given; it got ${final ?? 'none'}`;
    figures.ambiguousUpstream += 1;
    return undefined;
  }
  figures.ambiguousDownstream += 1;
  // Upstream returns to the sender what has arrived.
  if (final?.startsWith('5') && found.some(({ reply }) => reply === 'lost'))
    return `stored for ${address} without a reply, and refused for good: ${final}`;
  return undefined;
}
