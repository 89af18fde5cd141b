// How a session begins: greeting, EHLO or LHLO, STARTTLS, and EHLO again (RFC 5321 §3.1, RFC 3207).
import { type Extensions, parseExtensions } from '../smtp/extensions.ts';
import { describeReply, isPermanent, isPositive, type Reply } from '../smtp/reply.ts';
import { type Approach, startTls } from './connect.ts';
import { DownstreamError } from './error.ts';
import type { Wire } from './wire.ts';

/**
 * Brings a new connection to where MAIL can be said.
 *
 * @returns what the downstream offers
 * @throws {DownstreamError} with the reply that was not 2xx, where there was one
 */
export async function introduce(wire: Wire, approach: Approach): Promise<Extensions> {
  const { destination, timeouts } = approach;
  demandPositive(await wire.send('', timeouts.greeting, true), 'greeted with');
  const extensions = await hello(wire, approach);
  if (destination.tls !== 'starttls') return extensions;
  if (!extensions.has('STARTTLS')) throw new DownstreamError('connect', 'it does not offer STARTTLS');
  demandPositive(await wire.send('STARTTLS', timeouts.ehlo, true), 'answered STARTTLS with');
  await wire.upgrade((socket) => startTls(socket, approach));
  // RFC 3207 §4.2: what was offered before TLS is forgotten.
  return hello(wire, approach);
}

async function hello(wire: Wire, { destination, helloName, timeouts }: Approach): Promise<Extensions> {
  const verb = destination.protocol === 'lmtp' ? 'LHLO' : 'EHLO';
  const reply = await wire.send(`${verb} ${helloName}`, timeouts.ehlo, true);
  if (destination.protocol === 'smtp' && isPermanent(reply)) {
    // RFC 5321 §3.2: a server that knows no EHLO still knows HELO.
    demandPositive(await wire.send(`HELO ${helloName}`, timeouts.ehlo, true), 'answered HELO with');
    return new Map();
  }
  demandPositive(reply, `answered ${verb} with`);
  return parseExtensions(reply);
}

function demandPositive(reply: Reply, how: string): void {
  if (!isPositive(reply))
    throw new DownstreamError('connect', `it ${how} ${describeReply(reply)}`, { reply });
}
