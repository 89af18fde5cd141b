// What a transaction's line says in bounded length: a reply, an address, lists of either.
import { toUnicode } from '../smtp/ascii.ts';
import { describeReply, type Reply } from '../smtp/reply.ts';
import type { ReplyClass } from '../telemetry/reply-class.ts';

/** Of so many recipients the line tells each, and of so many replies; of the others it tells how many they are. */
const mostTold = 10;
/** Of one reply; a few downstreams write letters. */
const mostReplyCharacters = 500;

/** Long lists cut, and how many more there are. */
export function summary({
  recipients,
  replies,
  replyClass: gravest,
  downstreamId: ids,
}: {
  readonly recipients: readonly unknown[];
  readonly replies: readonly string[];
  readonly replyClass: ReplyClass;
  readonly downstreamId?: string | readonly (string | undefined)[] | undefined;
}): Record<string, unknown> {
  return {
    recipients: recipients.slice(0, mostTold),
    ...(recipients.length > mostTold && { moreRecipients: recipients.length - mostTold }),
    replies: firstOf(replies, gravest),
    ...(replies.length > mostTold && { moreReplies: replies.length - mostTold }),
    ...(Array.isArray(ids) && { downstreamId: ids.slice(0, mostTold) }),
  };
}

/** Where none of the first replies is as grave as the gravest, that one has the last one's place. */
function firstOf(replies: readonly string[], gravest: ReplyClass): readonly string[] {
  const first = replies.slice(0, mostTold);
  const one = replies.find((reply) => reply.startsWith(gravest.charAt(0)));
  return one === undefined || first.includes(one) ? first : [...first.slice(0, -1), one];
}

/** A reply as the line has it. */
export function told(reply: Reply): string {
  const text = toUnicode(describeReply(reply));
  return text.length > mostReplyCharacters ? `${text.slice(0, mostReplyCharacters)}...` : text;
}
