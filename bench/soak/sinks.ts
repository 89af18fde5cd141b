// The downstreams of the soak: sinks that refuse a share, have slow times, and are away for a while now and then.

import { setTimeout as wait } from 'node:timers/promises';
import type { Behaviour } from '../sink/plan.ts';
import { Child } from '../site/child.ts';

/** Of all times: some recipients do not exist, some mailboxes are full. */
const refuse: Behaviour['refuse'] = [
  { at: 'MAIL', reply: '451 4.3.2 not now', every: 97 },
  { at: 'RCPT', reply: '550 5.1.1 no such user', every: 41 },
  { at: 'DATA', reply: '451 4.3.0 not now', every: 173 },
  { at: 'CONTENT', reply: '452 4.2.2 mailbox full', every: 67 },
];
/** Before the reply to a message in slow times. */
const slowMs = 100;

export class SoakSink implements AsyncDisposable {
  /** A file with what was stored. */
  readonly ledger: string;
  readonly #child: Child;
  readonly #refuse: Behaviour['refuse'];
  #port = 0;

  private constructor(protocol: 'smtp' | 'lmtp', ledger: string, strict: boolean) {
    this.ledger = ledger;
    this.#refuse = strict ? refuse : [];
    this.#child = new Child('sink.ts', JSON.stringify({ protocol, ledger, refuse: this.#refuse }));
  }

  /** @param strict whether some messages are refused at all times */
  static async start(protocol: 'smtp' | 'lmtp', ledger: string, strict: boolean): Promise<SoakSink> {
    const sink = new SoakSink(protocol, ledger, strict);
    const { listening } = await sink.#child.hear<{ listening: number }>();
    sink.#port = listening;
    return sink;
  }

  get port(): number {
    return this.#port;
  }

  /** Takes its time for each message from now on, or does not. */
  async slow(on: boolean): Promise<void> {
    await this.#child.ask({ slow: { contentMs: on ? slowMs : 0 }, refuse: this.#refuse });
  }

  /** Cuts all connections off, and comes back on the same port. */
  async restart(awayMs: number): Promise<void> {
    await this.#child.ask('away');
    await wait(awayMs);
    await this.#child.ask('back');
  }

  /** @returns how many connections are open */
  async open(): Promise<number> {
    const { open } = await this.#child.ask<{ open: number }>('totals');
    return open;
  }

  /** Everything that it has stored can be read then. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
