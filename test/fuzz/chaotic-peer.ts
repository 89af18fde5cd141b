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

/** Replies are counted from the beginning of a session, whichever connection says them; those that are named here go wrong. */
export type Troubles = ReadonlyMap<number, Trouble>;

/** A message whose end was seen. */
export interface StoredMessage {
  /** Dots un-stuffed. */
  readonly content: string;
  readonly recipients: number;
}

const commandLine =
  /^(?:EHLO|LHLO|HELO|XFORWARD|MAIL FROM:|RCPT TO:|DATA$|RSET$|QUIT$|NOOP$)[\t\x20-\x7e\x80-\xff]*$/i;

export class ChaoticPeer implements AsyncDisposable {
  /** In this session, 2yz that were said while the answer to content was due: the most that may count as final ones. */
  grants = 0;
  /** In this session. */
  stored: StoredMessage[] = [];
  /** Commands that are none. */
  readonly wrong: string[] = [];
  readonly protocol: 'smtp' | 'lmtp';
  #troubles: Troubles = new Map();
  #replies = 0;
  /** Connections on which something went wrong, which may have half a reply left on them. */
  readonly #spoiled = new Set<Socket>();
  #server: LoopbackServer | undefined;

  private constructor(protocol: 'smtp' | 'lmtp') {
    this.protocol = protocol;
  }

  static async start(protocol: 'smtp' | 'lmtp'): Promise<ChaoticPeer> {
    const peer = new ChaoticPeer(protocol);
    peer.#server = await LoopbackServer.start((socket) => peer.#serve(socket));
    return peer;
  }

  get destination(): string {
    return `${this.protocol}://${this.#server?.address}`;
  }

  get open(): number {
    return this.#server?.open ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** Another session is held from now on: nothing in it depends on those before. */
  begin(troubles: Troubles): void {
    for (const socket of this.#spoiled) socket.destroy();
    this.#spoiled.clear();
    this.#troubles = troubles;
    this.#replies = 0;
    this.grants = 0;
    this.stored = [];
  }

  #serve(socket: Socket): void {
    /** From DATA to the final dot. */
    let content = false;
    let recipients = 0;
    let text = '';
    let lastLine = '';
    let turn = Promise.resolve();
    const say = (polite: string, answersContent = false) => {
      const trouble = this.#troubles.get(this.#replies++);
      if (trouble && trouble.kind !== 'pieces') this.#spoiled.add(socket);
      const said = changed(polite, trouble);
      const lines = (lastLine + said).split('\n');
      lastLine = lines.pop() ?? '';
      if (answersContent) this.grants += lines.filter((line) => /^2[0-9]{2}(?!-)/.test(line)).length;
      turn = turn.then(() => write(socket, said, trouble));
    };
    say('220 peer.example ESMTP\r\n');
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (;;) {
        if (content) {
          const end = `\r\n${text}`.indexOf('\r\n.\r\n');
          if (end < 0) return;
          this.stored.push({ content: unstuffed(text.slice(0, end)), recipients });
          text = text.slice(end + 3);
          content = false;
          for (let due = this.protocol === 'lmtp' ? recipients : 1; due > 0; due--)
            say('250 2.6.0 Stored\r\n', true);
          recipients = 0;
          continue;
        }
        const end = text.indexOf('\r\n');
        if (end < 0) return;
        // Blanks before the verb go downstream as they are; this peer is as lenient as Postfix.
        const line = text.slice(0, end).replace(/^[ \t]+/, '');
        text = text.slice(end + 2);
        if (!commandLine.test(line)) this.wrong.push(line);
        const verb = line.slice(0, 4).toUpperCase();
        if (verb === 'RCPT') recipients += 1;
        if (verb === 'RSET' || verb === 'MAIL') recipients = 0;
        content = verb === 'DATA' && recipients > 0;
        if (content) say('354 Go ahead\r\n', true);
        else say(replies[verb] ?? '250 2.0.0 Ok\r\n');
        if (verb === 'QUIT') socket.end();
      }
    });
  }
}

const offers =
  '250-peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250-SIZE 100000\r\n250 XFORWARD NAME ADDR HELO\r\n';

/** By them the client's side can tell which command a reply belongs to. */
const replies: Readonly<Record<string, string>> = {
  EHLO: offers,
  LHLO: offers,
  MAIL: '250 2.1.0 Ok\r\n',
  RCPT: '250 2.1.5 Ok\r\n',
  DATA: '554 5.5.1 No recipient\r\n',
};

/** A dot goes where it begins a line, and a line ends with CRLF. */
export function unstuffed(text: string): string {
  return text.replaceAll(/(^|\r\n)\./g, '$1');
}

/** What is said instead of a polite reply. */
function changed(polite: string, trouble: Trouble | undefined): string {
  switch (trouble?.kind) {
    case 'drop':
    case 'close':
    case 'reset':
      return '';
    case 'replace':
      return trouble.bytes;
    case 'append':
      return polite + trouble.bytes;
    case 'repeat':
      return polite + polite;
    default:
      return polite;
  }
}

async function write(socket: Socket, said: string, trouble: Trouble | undefined): Promise<void> {
  if (trouble?.kind === 'close') return void socket.end();
  // Node.js cannot reset what is being ended, and never tells that it is closed then.
  if (trouble?.kind === 'reset')
    return void (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());
  if (trouble?.kind !== 'pieces') return void (said !== '' && socket.write(said, 'latin1'));
  for (const character of said) {
    socket.write(character, 'latin1');
    await nextTurn();
  }
}
