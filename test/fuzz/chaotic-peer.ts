// A downstream that answers politely but for what an input says: replies changed, repeated, lost, late or cut anywhere.
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LoopbackServer } from '../support/loopback-server.ts';

/** What becomes of one reply. */
export type Trouble =
  | { readonly kind: 'replace'; readonly bytes: string }
  | { readonly kind: 'append'; readonly bytes: string }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'pieces' }
  | { readonly kind: 'close' }
  | { readonly kind: 'reset' };

/** Replies on one connection are counted over all of it; those that are named here go wrong. */
export type Troubles = ReadonlyMap<number, Trouble>;

const commandLine =
  /^(?:EHLO|LHLO|HELO|XFORWARD|MAIL FROM:|RCPT TO:|DATA$|RSET$|QUIT$|NOOP$)[\t\x20-\x7e\x80-\xff]*$/i;

export class ChaoticPeer implements AsyncDisposable {
  /** For each new connection. */
  troubles: Troubles = new Map();
  /** Lines of a 2yz that were sent when content had begun: the most that may count as a final one. */
  grants = 0;
  /** Commands that are none. */
  readonly wrong: string[] = [];
  readonly #protocol: 'smtp' | 'lmtp';
  #server: LoopbackServer | undefined;

  private constructor(protocol: 'smtp' | 'lmtp') {
    this.#protocol = protocol;
  }

  static async start(protocol: 'smtp' | 'lmtp'): Promise<ChaoticPeer> {
    const peer = new ChaoticPeer(protocol);
    peer.#server = await LoopbackServer.start((socket) => peer.#serve(socket));
    return peer;
  }

  get destination(): string {
    return `${this.#protocol}://${this.#server?.address}`;
  }

  get open(): number {
    return this.#server?.open ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #serve(socket: Socket): void {
    const { troubles } = this;
    let count = 0;
    let content = false;
    let begun = false;
    let recipients = 0;
    let text = '';
    let turn = Promise.resolve();
    const say = (reply: string) => {
      const trouble = troubles.get(count++);
      turn = turn.then(() => this.#say(socket, reply, trouble, begun));
    };
    say('220 peer.example ESMTP\r\n');
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (;;) {
        if (content) {
          const end = `\r\n${text}`.indexOf('\r\n.\r\n');
          if (end < 0) return;
          text = text.slice(end + 3);
          content = false;
          for (let due = this.#protocol === 'lmtp' ? recipients : 1; due > 0; due--)
            say('250 2.6.0 Stored\r\n');
          recipients = 0;
          continue;
        }
        const end = text.indexOf('\r\n');
        if (end < 0) return;
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (!commandLine.test(line)) this.wrong.push(line);
        const verb = line.slice(0, 4).toUpperCase();
        if (verb === 'RCPT') recipients += 1;
        if (verb === 'RSET' || verb === 'MAIL') recipients = 0;
        content = verb === 'DATA' && recipients > 0;
        begun ||= content;
        if (verb === 'EHLO' || verb === 'LHLO') {
          say(
            '250-peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250-SIZE 100000\r\n250 XFORWARD NAME ADDR HELO\r\n',
          );
        } else
          say(
            verb === 'DATA'
              ? content
                ? '354 Go ahead\r\n'
                : '554 5.5.1 No recipient\r\n'
              : '250 2.1.0 Ok\r\n',
          );
        if (verb === 'QUIT') socket.end();
      }
    });
  }

  async #say(socket: Socket, polite: string, trouble: Trouble | undefined, begun: boolean): Promise<void> {
    let reply = polite;
    if (trouble?.kind === 'drop') return;
    if (trouble?.kind === 'close') return void socket.end();
    // Node.js cannot reset what is being ended, and never tells that it is closed then.
    if (trouble?.kind === 'reset')
      return void (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());
    if (trouble?.kind === 'replace') reply = trouble.bytes;
    if (trouble?.kind === 'append') reply += trouble.bytes;
    if (trouble?.kind === 'repeat') reply += polite;
    // Where a line begins with what was said before is not looked at: rather too many than too few.
    if (begun) this.grants += reply.split('\n').filter((line) => /^2|2[0-9]{2}/.test(line)).length;
    if (trouble?.kind !== 'pieces') return void socket.write(reply, 'latin1');
    for (const character of reply) {
      socket.write(character, 'latin1');
      await nextTurn();
    }
  }
}
