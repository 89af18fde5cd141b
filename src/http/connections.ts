// What those who connect by HTTP can make the process hold, were they all to connect and none to read.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A page has one stream, and few people look at the same time. */
const mostConnections = 200;
/** Without a byte in either direction. Longer than any answer takes; streams say something all the time. */
const stalledMs = 30_000;

/** Answers a request. */
type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Bounds how many connections there are, and how long one may stall: half a minute by default. */
export function boundConnections(server: Server, longestStallMs = stalledMs): void {
  server.maxConnections = mostConnections;
  server.timeout = longestStallMs;
}

/**
 * One request at a time on a connection. Programs that say several at once are hardly left, and whoever fills
 * a connection with them would have all of them answered before anybody else.
 */
export function oneAtATime(answer: Answer): Answer {
  const busy = new WeakSet<Socket>();
  return (request, response) => {
    const { socket } = request;
    if (busy.has(socket)) {
      socket.destroy();
      return;
    }
    busy.add(socket);
    response.once('close', () => busy.delete(socket));
    answer(request, response);
  };
}
