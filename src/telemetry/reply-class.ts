// Under which class of reply a transaction counts, in the log, in the metrics and on the status page alike.

/** The gravest first: mail that has to wait is what to look at before mail that was refused. */
const replyClasses = ['4xx', '5xx', '2xx'] as const;

/** Of a transaction; `none` where it ended without a reply that counts. */
export type ReplyClass = (typeof replyClasses)[number] | 'none';

/**
 * The gravest class among all replies of a transaction.
 *
 * @param replies the final ones, each beginning with its code
 * @param toRecipients those to RCPT: where there is no final one, what refused the recipients counts
 */
export function replyClass(replies: readonly string[], toRecipients: readonly string[]): ReplyClass {
  const said = replies.length > 0 ? replies : toRecipients.filter((reply) => !reply.startsWith('2'));
  const digits = new Set(said.map((reply) => reply[0]));
  return replyClasses.find(([digit]) => digits.has(digit)) ?? 'none';
}

/** Of plain data, which may be anything. */
export function readReplyClass(value: unknown): ReplyClass {
  return replyClasses.find((each) => each === value) ?? 'none';
}
