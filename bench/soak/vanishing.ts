// Clients that vanish: at any step of the dialogue, in any way, and never with a QUIT.
import { hash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../../test/faults/random.ts';
import { type Entry, idField, type LedgerFile, unanswered } from '../ledger.ts';

/** The outcome of a message whose final dot was never sent: whoever stores it makes one up. */
export const neverEnded = '000';

/** Between two of them. */
const mostPauseMs = 400;
const silenceMs = 3000;
const replyMs = 10_000;
const steps = ['connect', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'content', 'dot'] as const;

/** One after the other, until the signal is aborted. */
export async function vanish(
  addresses: readonly [string, ...string[]],
  random: Random,
  ledger: LedgerFile,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  for (let i = 1; !signal.aborted; i++) {
    const entry = await visit(random.pick(addresses), random, `${name}-${i}`).catch(() => undefined);
    if (entry) ledger.add(entry);
    await wait(random.whole(1, mostPauseMs));
  }
}

/** @returns what the ledger should know, when a message was begun */
async function visit(address: string, random: Random, id: string): Promise<Entry | undefined> {
  const last = random.pick(steps);
  const colon = address.lastIndexOf(':');
  const socket = connect({
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    noDelay: true,
  });
  socket.on('error', () => socket.destroy());
  const replies = repliesOf(socket);
  const ask = async (command: string) => {
    if (command !== '') socket.write(command, 'latin1');
    return (await replies.next()).value ?? '';
  };
  try {
    await ask('');
    if (last === 'connect') return undefined;
    await ask('EHLO vanishing.example\r\n');
    if (last === 'EHLO') return undefined;
    // A name of its own for each: caches have something to forget.
    await ask(`MAIL FROM:<${id}@${id}.vanishing.example>\r\n`);
    if (last === 'MAIL') return undefined;
    await ask('RCPT TO:<bob@example.net>\r\n');
    if (last === 'RCPT') return undefined;
    if (!(await ask('DATA\r\n')).startsWith('354') || last === 'DATA') return undefined;
    const body = `From: x@${id}.vanishing.example\r\n\r\n${'It ends in the middle of\r\n'.repeat(random.whole(1, 20_000))}`;
    const entry = { id, digest: hash('sha256', body) };
    socket.write(`${idField}${id}\r\n${body}`, 'latin1');
    if (last === 'content') return { ...entry, outcome: neverEnded };
    socket.write('.\r\n');
    return { ...entry, outcome: unanswered };
  } finally {
    await leave(socket, random);
    await replies.return(undefined);
  }
}

/** With a RST, with a FIN at once, after a silence, or while it still seems to listen; what was written may or may not arrive. */
async function leave(socket: Socket, random: Random): Promise<void> {
  const way = random.pick(['rst', 'fin', 'silence', 'half']);
  if (way === 'half') socket.end();
  if (way === 'silence' || way === 'half') await wait(random.whole(1, silenceMs));
  if (way === 'rst') socket.resetAndDestroy();
  else socket.destroy();
}

/** The last line of each reply; ends when the other side is gone or takes too long. */
async function* repliesOf(socket: Socket): AsyncGenerator<string, undefined> {
  let text = '';
  socket.setTimeout(replyMs, () => socket.destroy());
  try {
    for await (const chunk of socket) {
      text += String(chunk);
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (line[3] !== '-') yield line;
      }
    }
  } catch {
    // It was cut off, which is as good an end.
  }
  return undefined;
}
