// Yardstick: what a proxy costs at least that has the message whole before it passes it on, and adds fields to it.
//
//   node bench/yardsticks/fewest-lines-proxy.ts PORT_DOWNSTREAM
//
// It answers each command itself, keeps the message in memory, and relays it over connections that stay: what no
// pass-through can leave out. No checks, limits, timeouts, log or metrics, no words for a client that does it otherwise.
import { connect, createServer, type Socket } from 'node:net';
import { serve } from './listening.ts';

const endOfContent = '\r\n.\r\n';
const added =
  'Authentication-Results: mx.example.org; none\r\n' +
  'Received: from mta.example.org by mx.example.org; Sat, 1 Jan 2000 00:00:00 +0000\r\n';
const offered =
  '250-mx.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n';

/** A connection downstream. */
class Downstream {
  readonly #socket = connect({ port: Number(process.argv[2]), host: '127.0.0.1', noDelay: true });
  #due = 0;
  #then: (reply: string) => void = () => {};

  constructor() {
    this.#socket.on('data', (chunk) => {
      const lines = chunk.toString('latin1').split('\r\n');
      for (const line of lines) if (line[3] === ' ' && --this.#due === 0) this.#then(line);
    });
  }

  /** @param due replies: none of them comes in pieces, and `then` is told the last one */
  ask(due: number, content: readonly (Buffer | string)[], then: (reply: string) => void): void {
    this.#due = due;
    this.#then = then;
    this.#socket.cork();
    for (const piece of content) this.#socket.write(piece, 'latin1');
    this.#socket.uncork();
  }
}

const idle: Downstream[] = [];

function session(then: (downstream: Downstream) => void): void {
  const kept = idle.pop();
  if (kept) then(kept);
  else {
    const fresh = new Downstream();
    fresh.ask(1, [], () => fresh.ask(1, ['EHLO mx.example.org\r\n'], () => then(fresh)));
  }
}

function relay(commands: readonly string[], content: readonly Buffer[], then: (reply: string) => void): void {
  session((downstream) =>
    downstream.ask(commands.length, [`${commands.join('\r\n')}\r\n`], () =>
      downstream.ask(1, [added, ...content], (reply) => {
        idle.push(downstream);
        then(reply);
      }),
    ),
  );
}

/** A connection upstream: nothing that it sends is cut but the content. */
function converse(upstream: Socket): void {
  let commands: string[] = [];
  let content: Buffer[] | undefined;
  let tail = '';
  upstream.write('220 mx.example.org ESMTP\r\n');
  upstream.on('error', () => upstream.destroy());
  upstream.on('data', (chunk) => {
    if (content) {
      content.push(chunk);
      tail = (tail + chunk.subarray(-endOfContent.length).toString('latin1')).slice(-endOfContent.length);
      if (tail !== endOfContent) return;
      relay(commands, content, (reply) => upstream.write(`${reply}\r\n`));
      commands = [];
      content = undefined;
      tail = '';
      return;
    }
    let replies = '';
    for (const line of chunk.toString('latin1').split('\r\n')) {
      const verb = line.slice(0, 4);
      if (verb === '') continue;
      if (verb === 'EHLO') replies += offered;
      else if (verb === 'QUIT') replies += '221 2.0.0 bye\r\n';
      else {
        commands.push(line);
        replies += verb === 'DATA' ? '354 go on\r\n' : '250 2.0.0 ok\r\n';
        if (verb === 'DATA') content = [];
      }
    }
    upstream.write(replies);
    if (replies.startsWith('221')) upstream.end();
  });
}

await serve(createServer({ noDelay: true }, converse));
