// Many clients that send messages, each with an id of its own, and what became of them.
import { RawClient } from '../../support/raw-client.ts';
import type { ClientAddress } from '../../support/running-proxy.ts';
import type { ScriptedDownstream } from '../../support/scripted-downstream.ts';

/** Sends until it is told to stop; `await using` waits for the clients. */
export class Load implements AsyncDisposable {
  /** Messages that were answered with 250. */
  readonly acknowledged: string[] = [];
  /** Those whose connection ended, or that got a 4yz, with the reason. */
  readonly failed: { readonly id: string; readonly why: string }[] = [];
  readonly #address: () => ClientAddress;
  readonly #clients: Promise<void>[];
  #running = true;
  #count = 0;
  #wake: () => void = () => undefined;

  /** @param perConnection how many messages one connection carries */
  constructor(address: () => ClientAddress, { clients = 8, perConnection = 1 } = {}) {
    this.#address = address;
    this.#clients = Array.from({ length: clients }, () => this.#client(perConnection));
  }

  /** Waits until so many more were acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count;
    const deadline = Date.now() + 20_000;
    while (this.acknowledged.length < wanted) {
      if (Date.now() > deadline) throw new Error(`no progress: ${JSON.stringify(this.failed.slice(-5))}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 1000).unref();
      });
    }
  }

  /** No new messages; waits for those on their way. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #client(perConnection: number): Promise<void> {
    while (this.#running) {
      let id = 'none';
      try {
        using client = await greet(this.#address());
        for (let i = 0; i < perConnection && this.#running; i += 1) {
          id = `message-${++this.#count}`;
          await send(client, id);
          this.acknowledged.push(id);
          this.#wake();
        }
        id = 'none';
        expect(await client.ask('QUIT'), '221');
      } catch (error) {
        if (!this.#running && id === 'none') return;
        this.failed.push({ id, why: String(error) });
        // A service that is gone would be asked without a pause.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

/** The text of a message. */
export function messageOf(id: string): string {
  return `From: a@example.com\r\nMessage-ID: <${id}@example.com>\r\nSubject: ${id}\r\n\r\n${`${id} `.repeat(50)}\r\n.dot\r\n`;
}

/** A connection that has said EHLO. */
export async function greet(address: ClientAddress): Promise<RawClient> {
  const client = await RawClient.connect(address);
  expect(await client.reply(), '220');
  expect(await client.ask('EHLO client.example'), '250');
  return client;
}

/** A connection that was told 354. */
export async function beginContent(address: ClientAddress): Promise<RawClient> {
  const client = await greet(address);
  expect(await client.ask('MAIL FROM:<a@example.com>'), '250');
  expect(await client.ask('RCPT TO:<b@example.com>'), '250');
  expect(await client.ask('DATA'), '354');
  return client;
}

/** One transaction. @throws {Error} unless it was acknowledged */
export async function send(client: RawClient, id: string): Promise<void> {
  expect(await client.ask('MAIL FROM:<a@example.com>'), '250');
  expect(await client.ask('RCPT TO:<b@example.com>'), '250');
  expect(await client.ask('DATA'), '354');
  await finish(client, id);
}

/** The content of a transaction that got its 354, and its reply. */
export async function finish(client: RawClient, id: string): Promise<void> {
  client.send(`${messageOf(id).replaceAll('\r\n.', '\r\n..')}.\r\n`);
  expect(await client.reply(), '250');
}

/** What of those acknowledged is not stored exactly as it was sent. */
export function missing(
  acknowledged: readonly string[],
  ...downstreams: readonly ScriptedDownstream[]
): string[] {
  const stored = new Set<string>();
  for (const { messages } of downstreams) {
    for (const { data } of messages) {
      const text = data.toString('latin1');
      const id = /^Subject: (\S+)\r$/m.exec(text)?.[1] ?? '';
      if (text.endsWith(messageOf(id))) stored.add(id);
    }
  }
  return acknowledged.filter((id) => !stored.has(id));
}

function expect(reply: readonly string[], code: string): void {
  if (!reply[0]?.startsWith(code)) throw new Error(`${code} expected, not ${reply.join(' / ')}`);
}
