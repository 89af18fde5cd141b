// One connection of the sink: commands in, replies out, content straight into its digest.
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Content, type Received } from './content.ts';
import type { Behaviour } from './plan.ts';

/** What all connections of a sink have in common. */
export interface House {
  readonly protocol: 'smtp' | 'lmtp' | 'either';
  /** Replaced when the sink is told to behave in another way. */
  readonly behaviour: Behaviour;
  /** @returns the reply that is to be given instead, when it is this command's turn */
  refusal(at: Behaviour['refuse'][number]['at']): string | undefined;
  /** @param accepted how many recipients it was taken for */
  store(message: Received, accepted: number): void;
}

export function serve(socket: Socket, house: House): void {
  socket.setNoDelay(true);
  new SinkConnection(socket, house);
}

class SinkConnection {
  readonly #socket: Socket;
  readonly #house: House;
  #content: Content | undefined;
  #line = '';
  #lmtp: boolean;
  #mail = false;
  #recipients = 0;
  #replies = '';
  /** QUIT was said. */
  #over = false;

  constructor(socket: Socket, house: House) {
    this.#socket = socket;
    this.#house = house;
    this.#lmtp = house.protocol === 'lmtp';
    socket.on('data', (chunk) => this.#read(chunk));
    // Who goes without a word, or is cut off, shows in the ledgers.
    socket.on('error', () => socket.destroy());
    socket.write('220 sink.example ESMTP\r\n');
  }

  #read(chunk: Buffer): void {
    let rest: Buffer | undefined = chunk;
    while (rest && rest.length > 0) rest = this.#content ? this.#readContent(rest) : this.#readCommands(rest);
    this.#flush();
  }

  #readContent(chunk: Buffer): Buffer | undefined {
    const rest = this.#content?.push(chunk);
    if (!rest || !this.#content) return undefined;
    const message = this.#content.received();
    this.#content = undefined;
    const { contentMs } = this.#house.behaviour.slow;
    if (contentMs === 0) {
      this.#end(message);
      return rest;
    }
    this.#socket.pause();
    void wait(contentMs).then(() => {
      this.#end(message);
      this.#flush();
      this.#socket.resume();
      this.#read(rest);
    });
    return undefined;
  }

  /** RFC 2033 §4.2: LMTP answers once for each recipient that it accepted. In SMTP one reply stands for all. */
  #end(message: Received): void {
    const [replies, recipientsOfEach] = this.#lmtp ? [this.#recipients, 1] : [1, this.#recipients];
    let accepted = 0;
    for (let i = 0; i < replies; i++) {
      const refusal = this.#house.refusal('CONTENT');
      if (!refusal) accepted += recipientsOfEach;
      this.#say(refusal ?? '250 2.0.0 stored');
    }
    if (accepted > 0) this.#house.store(message, accepted);
    this.#forget();
  }

  #forget(): void {
    this.#mail = false;
    this.#recipients = 0;
  }

  #readCommands(chunk: Buffer): Buffer | undefined {
    let from = 0;
    for (let at = chunk.indexOf('\n'); at >= 0; at = chunk.indexOf('\n', from)) {
      const line = this.#line + chunk.toString('latin1', from, at);
      this.#line = '';
      from = at + 1;
      this.#say(this.#command(line));
      if (this.#content) return chunk.subarray(from);
    }
    this.#line += chunk.toString('latin1', from);
    return undefined;
  }

  /** @returns the reply */
  #command(line: string): string {
    switch (line.slice(0, 4).toUpperCase()) {
      case 'MAIL': {
        const refusal = this.#house.refusal('MAIL');
        this.#mail = refusal === undefined;
        return refusal ?? '250 2.1.0 ok';
      }
      case 'RCPT': {
        if (!this.#mail) return '503 5.5.1 MAIL first';
        const refusal = this.#house.refusal('RCPT');
        if (!refusal) this.#recipients++;
        return refusal ?? '250 2.1.5 ok';
      }
      case 'DATA': {
        if (this.#recipients === 0) return '554 5.5.1 no valid recipients';
        const refusal = this.#house.refusal('DATA');
        if (!refusal) this.#content = new Content();
        return refusal ?? '354 go ahead';
      }
      case 'EHLO':
      case 'LHLO': {
        if (this.#house.protocol === 'either') this.#lmtp = /^LHLO/i.test(line);
        const lines = ['sink.example', ...this.#house.behaviour.extensions];
        return lines.map((text, i) => `250${i === lines.length - 1 ? ' ' : '-'}${text}`).join('\r\n');
      }
      case 'RSET':
        this.#forget();
        return '250 2.0.0 ok';
      case 'XFOR':
      case 'NOOP':
        return '250 2.0.0 ok';
      case 'QUIT':
        this.#over = true;
        return '221 2.0.0 bye';
      default:
        return '502 5.5.1 not here';
    }
  }

  #say(reply: string): void {
    this.#replies += `${reply}\r\n`;
  }

  #flush(): void {
    if (this.#replies === '' || !this.#socket.writable) return;
    this.#socket.write(this.#replies, 'latin1');
    this.#replies = '';
    if (this.#over) this.#socket.end();
  }
}
