// The fields of a header section that a signature of ours covers (RFC 6376 §5.4, RFC 8617 §4.1.2).

/** As RFC 6376 §5.4.1 advises: who, what and when; not what the way of a message adds or takes. */
const signable: ReadonlySet<string> = new Set([
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'in-reply-to',
  'references',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'content-id',
  'content-description',
  'resent-date',
  'resent-from',
  'resent-sender',
  'resent-to',
  'resent-cc',
  'resent-message-id',
  'list-id',
  'list-help',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'list-subscribe',
  'list-post',
  'list-owner',
  'list-archive',
  'bimi-selector',
  'dkim-signature',
]);

/**
 * How many fields of one name are covered, counted from the bottom as signatures are (RFC 6376 §5.4.2).
 * `h=` names each of them: without a bound a stranger's thousand fields make it longer than readers take.
 */
export const maxOfOneName = 8;

/** @param name in lower case */
export function isSignable(name: string): boolean {
  return signable.has(name);
}
