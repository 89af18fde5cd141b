// Yardstick: what passing bytes through a Node.js process costs at least. A relay of the fewest lines, which checks nothing.
//
//   node bench/yardsticks/fewest-lines-relay.ts PORT_DOWNSTREAM
import { connect, createServer, type Socket } from 'node:net';
import { serve } from './listening.ts';

const server = createServer({ noDelay: true }, (upstream) => {
  const downstream = connect({ port: Number(process.argv[2]), host: '127.0.0.1', noDelay: true });
  const over = (socket: Socket, other: Socket) => socket.on('error', () => other.destroy());
  over(upstream.pipe(downstream), upstream);
  over(downstream.pipe(upstream), downstream);
});
await serve(server);
