// The id under which the downstream queued or stored a message, as its final reply tells it.
import { isPositive, type Reply } from '../smtp/reply.ts';

/** How mail servers say it; each stands at the end of the text, and is letters, digits and little else. */
const forms = [
  // Postfix, and those that say it as Postfix does.
  /\bqueued as ([A-Za-z0-9._-]{4,64})$/i,
  // Exim
  /^OK id=([A-Za-z0-9-]{4,64})$/,
  // Sendmail, OpenSMTPD
  /^([A-Za-z0-9]{6,64}) Message accepted for delivery$/,
  // Dovecot's LMTP server: its session's id, with transaction and recipient unless they are the first, as in its log.
  /^(?:<[^<> ]{1,320}> )?([A-Za-z0-9+/]{8,64}(?::[A-Z][0-9]{1,9}){0,4}) Saved$/,
  // Haraka
  /^Message Queued \(([A-Za-z0-9.-]{4,64})\)$/i,
];

/** @returns undefined where the message was refused, or the reply names no id that we know the form of */
export function downstreamId(reply: Reply): string | undefined {
  if (!isPositive(reply)) return undefined;
  const text = (reply.lines.at(-1) ?? '').replace(/^2\.[0-9]{1,3}\.[0-9]{1,3} /, '').trimEnd();
  for (const form of forms) {
    const id = form.exec(text)?.[1];
    if (id !== undefined) return id;
  }
  return undefined;
}
