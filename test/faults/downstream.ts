// A downstream that goes wrong as a plan says, and keeps a ledger of what it has stored.
import { createServer, type Server, type Socket } from 'node:net';
import { testCertificate } from '../support/scripted-downstream.ts';
import type { Dialogue } from './dialogue.ts';
import { DownstreamConversation } from './downstream-conversation.ts';
import type { Changing } from './downstream-offer.ts';
import type { DownstreamFault, DownstreamStep, Faults } from './faults.ts';
import type { Stored, Violation } from './ledger.ts';
import type { Random } from './random.ts';

export interface FaultyDownstreamOptions {
  /** In the dialogue. */
  readonly name: string;
  readonly protocol: 'smtp' | 'lmtp';
  readonly starttls: boolean;
  readonly changing: Changing;
  /** Shared by all downstreams of a run. */
  readonly faults: Faults<DownstreamStep, DownstreamFault>;
  readonly random: Random;
  readonly dialogue: Dialogue;
}

/** Listens on a port of its own, also after it was away. */
export class FaultyDownstream implements AsyncDisposable {
  readonly stored: Stored[] = [];
  readonly violations: Violation[] = [];
  readonly options: FaultyDownstreamOptions;
  readonly certificate: typeof testCertificate = testCertificate;
  #faulty = true;
  #port = 0;
  #connections = 0;
  #server: Server;
  readonly #open = new Map<DownstreamConversation, Socket>();

  private constructor(options: FaultyDownstreamOptions) {
    this.options = options;
    this.#server = this.#make();
  }

  static async start(options: FaultyDownstreamOptions): Promise<FaultyDownstream> {
    const downstream = new FaultyDownstream(options);
    await downstream.#listen();
    return downstream;
  }

  /** How a configuration names it. */
  get destination(): string {
    const { protocol, starttls } = this.options;
    return `${protocol}://127.0.0.1:${this.#port}${starttls ? '?starttls=yes&verify=no' : ''}`;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#open.size;
  }

  /** For conversations: whether it refuses parameters that it does not offer. */
  get strict(): boolean {
    return this.#faulty && this.options.changing === 'strict';
  }

  /** For conversations: what goes wrong here. */
  fault(step: DownstreamStep, random: Random): DownstreamFault | undefined {
    return this.#faulty ? this.options.faults.at(step, random) : undefined;
  }

  /** For conversations: it has gone wrong. */
  struck(): void {
    this.options.faults.struck();
  }

  /** Refuses connections for a while, and drops those that there are. */
  async restart(milliseconds: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#open.values()) socket.resetAndDestroy();
    await closed;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    this.#server = this.#make();
    await this.#listen();
  }

  /** From now on all is well. What a fault has confused ends; what it has silenced is for Postern to end. */
  heal(): void {
    this.#faulty = false;
    for (const [{ disturbed, silent }, socket] of this.#open) if (disturbed && !silent) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const [conversation, socket] of this.#open) {
      conversation.end();
      socket.destroy();
    }
    await closed;
  }

  #make(): Server {
    return createServer({ noDelay: true }, (socket) => {
      this.#connections += 1;
      const conversation = new DownstreamConversation(this, socket, this.#connections);
      this.#open.set(conversation, socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        conversation.end();
        this.#open.delete(conversation);
      });
      conversation.begin();
    });
  }

  async #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ port: this.#port, host: '127.0.0.1' }, resolve);
    await promise;
    const address = this.#server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
  }
}
