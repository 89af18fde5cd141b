// The clients of the flood, in a process of their own: arguments are the port and how many; commands come on standard input.
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const [port = 0, count = 0] = process.argv.slice(2).map(Number);
/** So many handshakes at a time: the queue of a listening socket is not endless. */
const atOnce = 200;

const sockets: Socket[] = [];
let greeted = 0;
let refused = 0;
/** Ended before they were greeted. */
let lost = 0;
let closed = 0;

function open(many: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const target = greeted + refused + lost + many;
  let begun = 0;
  const next = () => {
    if (greeted + refused + lost >= target) return resolve();
    if (begun >= many) return;
    begun += 1;
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    sockets.push(socket);
    let heard = false;
    socket.once('data', (chunk: Buffer) => {
      heard = true;
      if (chunk.toString().startsWith('220')) greeted += 1;
      else refused += 1;
      // What else is said to it nobody wants to keep.
      socket.resume();
      next();
    });
    socket
      .on('error', () => undefined)
      .on('close', () => {
        closed += 1;
        if (heard) return;
        lost += 1;
        next();
      });
  };
  for (let i = 0; i < atOnce; i++) next();
  return promise;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, argument = ''] = line.split(' ');
  if (verb === 'open') await open(Number(argument || count));
  if (verb === 'say') for (const socket of sockets) socket.write(argument);
  if (verb === 'quit') break;
  process.stdout.write(`${JSON.stringify({ greeted, refused, lost, closed })}\n`);
}
process.exit(0);
