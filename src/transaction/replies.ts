// What upstream is told by Postern itself, where no downstream has said anything.
import { makeReply, type Reply } from '../smtp/reply.ts';

export const tooManyRecipients = makeReply(
  452,
  '4.5.3',
  'too many recipients, send the others in another transaction',
);
/** With a deferred envelope, to MAIL and to each RCPT. */
export const senderAccepted = makeReply(250, '2.1.0', 'sender will be passed on after the message');
export const recipientAccepted = makeReply(250, '2.1.5', 'recipient will be asked for after the message');
/** In SMTP; see {@link noLmtpRecipients}. */
export const noRecipients = makeReply(554, '5.5.1', 'no valid recipients');
/** RFC 2033 §4.2 has no other code. */
export const noLmtpRecipients = makeReply(503, '5.5.1', 'no valid recipients');
export const goAhead = makeReply(354, '', 'End data with <CR><LF>.<CR><LF>');
export const timedOut = makeReply(451, '4.4.2', 'downstream did not answer in time, try again later');
export const notStored = makeReply(452, '4.3.1', 'message cannot be stored, try again later');
export const bareNewline = makeReply(550, '5.6.11', 'message holds a bare CR or LF');
export const internalError = makeReply(451, '4.3.0', 'internal error, try again later');

export function messageTooLarge(limitBytes: number): Reply {
  return makeReply(552, '5.3.4', `message over ${limitBytes} bytes`);
}

/** @param limit such as `10000 fields` */
export function headerTooLarge(limit: string): Reply {
  return makeReply(552, '5.3.4', `header section over ${limit}`);
}

export function mailLoop(mostReceived: number): Reply {
  return makeReply(554, '5.4.6', `mail loop: more than ${mostReceived} Received fields`);
}
