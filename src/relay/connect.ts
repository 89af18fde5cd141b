// Connecting to a destination: TCP or UNIX socket, and TLS on top.
import { connect as connectSocket, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { tlsFailure } from '../smtp/tls-failure.ts';
import type { Destination } from './destination.ts';
import type { Timeouts } from './timeouts.ts';

export interface TlsOptions {
  /** Certificates to trust instead of the well-known ones, PEM. */
  readonly ca?: string;
}

/** Whom a connection is for, and what is asked of it until MAIL can be said. */
export interface Approach {
  readonly destination: Destination;
  /** The name in EHLO, LHLO and HELO. */
  readonly helloName: string;
  readonly tls: TlsOptions;
  readonly timeouts: Timeouts;
  /** Gives up. */
  readonly signal: AbortSignal | undefined;
}

/** Replies are short, and turned into text at once: a buffer of 64 KiB for each would be most of their cost. */
const replies = Buffer.allocUnsafeSlow(64 * 1024);

function intoOneBuffer(take: (bytes: Buffer) => void): OnReadOpts {
  return {
    buffer: replies,
    callback: (length) => {
      take(replies.subarray(0, length));
      return true;
    },
  };
}

/**
 * Connects, and with implicit TLS shakes hands.
 *
 * @throws whatever the socket or TLS says, or the signal's reason
 */
export async function connect(approach: Approach): Promise<Socket> {
  const { destination, timeouts, signal } = approach;
  signal?.throwIfAborted();
  // Nagle's algorithm and delayed acknowledgements together cost 40 ms a command.
  const socket: Socket = connectSocket({
    ...destination.address,
    noDelay: true,
    keepAlive: true,
    ...(destination.tls === 'none' && { onread: intoOneBuffer((bytes) => socket.emit('data', bytes)) }),
  });
  await ready(socket, 'connect', timeouts.connect, signal);
  if (destination.tls !== 'implicit') return socket;
  return startTls(socket, approach);
}

/** Shakes hands on a connected socket; on failure both are closed. */
export async function startTls(
  socket: Socket,
  { destination, tls, timeouts, signal }: Approach,
): Promise<TLSSocket> {
  const host = 'host' in destination.address ? destination.address.host : 'localhost';
  const secured = connectTls({
    socket,
    host, // what the certificate must be for
    rejectUnauthorized: destination.verify,
    ...(isIP(host) ? {} : { servername: host }), // RFC 6066 §3: no addresses
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
  });
  try {
    await ready(secured, 'secureConnect', timeouts.tls, signal);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const more = advice[code];
    throw new Error(`TLS: ${tlsFailure(error)}${more === undefined ? '' : `; ${more}`}`, { cause: error });
  }
  return secured;
}

const untrusted = 'a file that NODE_EXTRA_CA_CERTS names can add its authority';
const tooOld = 'the server takes neither TLS 1.2 nor 1.3';

/** For what says too little by itself. */
const advice: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'a file that NODE_EXTRA_CA_CERTS names can add it',
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `the server does not send the whole chain, or ${untrusted}`,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: tooOld,
  ERR_SSL_UNSUPPORTED_PROTOCOL: tooOld,
  ERR_SSL_WRONG_VERSION_NUMBER: 'what the server says is no TLS',
};

async function ready(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = () => reject(new Error('connection closed'));
  const onAbort = () => reject(signal?.reason);
  const step = event === 'connect' ? 'connection' : 'TLS handshake';
  const timer = setTimeout(() => reject(new Error(`no ${step} within ${timeoutMs} ms`)), timeoutMs);
  // This listener stays: whatever becomes of the socket, its errors must not be thrown.
  socket.on('error', reject).once(event, resolve).once('close', onClose);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.off(event, resolve).off('close', onClose);
    signal?.removeEventListener('abort', onAbort);
  }
}
