// Postern as it is shipped, with a configuration of a test: where it listens, and a message through it.
import assert from 'node:assert/strict';
import type { Daemon, Site } from '../../mta/support/site.ts';
import { eventually } from '../../mta/support/wait.ts';
import { RawClient } from '../../support/raw-client.ts';
import type { RecordedMessage, ScriptedDownstream } from '../../support/scripted-downstream.ts';

/** A Postern that serves. */
export interface Serving extends Daemon {
  /** By listener. */
  readonly addresses: ReadonlyMap<string, { readonly host: string; readonly port: number }>;
  /** Where HTTP is: `http://127.0.0.1:40123`. */
  readonly http: string;
}

/**
 * Starts it, and waits until all that it serves is there.
 *
 * @param command line of `postern serve` with a configuration that has `http`
 */
export async function startServing(
  site: Site,
  command: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Serving> {
  const [program = '', ...parameters] = command;
  const daemon = site.start(program, parameters, environment);
  const events = () => {
    const lines = daemon.output().split('\n');
    return lines
      .filter((line) => /^\{.*\}$/u.test(line))
      .map((line) => JSON.parse(line) as { event: string; address?: string; listener?: string });
  };
  const http = () => events().find(({ event }) => event === 'http listening')?.address;
  await eventually(
    'Postern to be ready',
    () => {
      if (!daemon.running()) throw new Error(`Postern ended\n${daemon.output()}`);
      return /^postern: listening on /mu.test(daemon.output()) && http() !== undefined;
    },
    // Others may be at work on this machine, and a start is work.
    { limitMs: 60_000, state: daemon.output },
  );
  const addresses = events().flatMap(({ event, listener = '', address = '' }) => {
    if (event !== 'listening') return [];
    const colon = address.lastIndexOf(':');
    return [[listener, { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }] as const];
  });
  return { ...daemon, addresses: new Map(addresses), http: `http://${http()}` };
}

/**
 * Says a message to a listener, and gives it as it came out.
 *
 * @param body its last line with CRLF
 */
export async function relay(
  serving: Serving,
  listener: string,
  downstream: ScriptedDownstream,
  body = 'Hello.\r\n',
): Promise<RecordedMessage> {
  const address = serving.addresses.get(listener);
  assert.ok(address, `${listener}: ${serving.output()}`);
  using client = await RawClient.connect(address);
  await client.reply();
  for (const [line, code] of [
    ['EHLO client.sender.example', '250'],
    ['MAIL FROM:<alice@sender.example>', '250'],
    ['RCPT TO:<bob@example.com>', '250'],
    ['DATA', '354'],
    [`From: alice@sender.example\r\nSubject: Hello\r\n\r\n${body}.`, '250'],
    ['QUIT', '221'],
  ] as const) {
    const reply = await client.ask(line);
    assert.equal(reply.at(-1)?.slice(0, 3), code, `${line}: ${reply.join(' | ')}\n${serving.output()}`);
  }
  const message = downstream.messages.at(-1);
  assert.ok(message, 'nothing came out');
  return message;
}
