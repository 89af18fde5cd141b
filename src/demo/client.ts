// The demo's upstream: sends a message by nodemailer, and says by XFORWARD from which client it has it.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { describeReply, type Reply, ReplyReader } from '../smtp/reply.ts';
import { formatXforward, type XforwardName } from '../smtp/xforward.ts';
import type { DemoClient } from './domains.ts';
import { type DemoMessage, recipient } from './messages.ts';

const patienceMs = 20_000;

/**
 * Sends one message to Postern.
 *
 * @param address `host:port` of the listener
 * @param ident upstream's queue id; undefined before the queue, where there is none yet
 * @returns the reply that decided: the final one, or the first that refused
 * @throws {Error} when there is no connection or no reply
 */
export async function send(address: string, message: DemoMessage, ident?: string): Promise<string> {
  const socket = await open(address);
  const connection = new SMTPConnection({
    connection: socket,
    name: 'upstream.postern.example',
    socketTimeout: patienceMs,
  });
  const broken = new Promise<never>((_, reject) => connection.once('error', reject));
  try {
    await Promise.race([new Promise<void>((resolve) => connection.connect(() => resolve())), broken]);
    await Promise.race([xforward(socket, message.client, ident), broken]);
    const sent = new Promise<string>((resolve) => {
      connection.send({ from: message.sender, to: [recipient] }, message.bytes, (error, info) => {
        resolve(error ? (error.response ?? error.message) : (info?.response ?? ''));
      });
    });
    return await Promise.race([sent, broken]);
  } finally {
    broken.catch(() => undefined);
    connection.quit();
  }
}

async function open(address: string): Promise<Socket> {
  const colon = address.lastIndexOf(':');
  const socket = connect({
    host: address.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(colon + 1)),
  });
  await once(socket, 'connect', { signal: AbortSignal.timeout(patienceMs) });
  return socket;
}

/** nodemailer has no XFORWARD: its connection, idle after EHLO, is borrowed for this one command. */
async function xforward(socket: Socket, client: DemoClient, ident: string | undefined): Promise<void> {
  const attributes = new Map<XforwardName, string>([
    ['NAME', client.name],
    ['ADDR', client.ip],
    ['PROTO', 'ESMTP'],
    ['HELO', client.helo],
  ]);
  if (ident !== undefined) attributes.set('IDENT', ident);
  const lenders = socket.listeners('data') as ((chunk: Buffer) => void)[];
  socket.removeAllListeners('data');
  for (const command of formatXforward(attributes, new Set(attributes.keys()))) {
    socket.write(`${command}\r\n`, 'latin1');
    const reply = await nextReply(socket);
    if (reply.code !== 250) throw new Error(`XFORWARD was refused: ${describeReply(reply)}`);
  }
  for (const lender of lenders) socket.on('data', lender);
}

async function nextReply(socket: Socket): Promise<Reply> {
  const reader = new ReplyReader();
  for (;;) {
    const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(patienceMs) })) as [Buffer];
    const [reply] = reader.push(chunk);
    if (reply) return reply;
  }
}
