// The demo: four messages through Postern in both modes, and a site that stays for trying it out.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createLog, type Log, silentLog } from '../telemetry/log.ts';
import { send } from './client.ts';
import { type DemoMessage, type DemoMode, modes, recipient } from './messages.ts';
import { type DemoOutcome, judge, mistakes, row, tell } from './outcome.ts';
import { DemoSite } from './site.ts';

/**
 * Sends the four messages in both modes, and prints what becomes of each.
 *
 * @returns exit status: 0 when all went as it should
 */
export async function runDemo(): Promise<number> {
  const results = new LastResults();
  await using site = await DemoSite.start({
    listen: { 'before-queue': '127.0.0.1:0', 'after-queue': '127.0.0.1:0' },
    log: results.log,
  });
  console.log(
    `client ─▶ Postern ─▶ downstream: ${site.messages.length} messages to ${recipient}, each in both modes\n`,
  );
  let wrongs = 0;
  for (const [i, message] of site.messages.entries()) {
    console.log(`${i + 1}. A message ${message.title}`);
    console.log(`${introduce(message)}\n`);
    for (const mode of modes) {
      const outcome = await pass(site, results, mode, message);
      const wrong = mistakes(message, mode, outcome);
      wrongs += wrong.length;
      console.log(`${tell(mode, outcome, wrong)}\n`);
    }
  }
  console.log(wrongs === 0 ? 'All went as it should.' : `${wrongs} thing(s) did not go as they should.`);
  return wrongs === 0 ? 0 : 1;
}

function introduce({ bytes, client, sender }: DemoMessage): string {
  const from = /^From: (.*)\r$/m.exec(bytes.toString())?.[1] ?? '';
  return [
    row('claims', `From: ${from}`),
    row('came from', `${client.ip} ${client.name}, HELO ${client.helo}, MAIL FROM:<${sender}>`),
  ].join('\n');
}

async function pass(
  site: DemoSite,
  results: LastResults,
  mode: DemoMode,
  message: DemoMessage,
): Promise<DemoOutcome> {
  const ident = mode === 'after-queue' ? 'demo' : undefined;
  const reply = await send(site.address(mode), message, ident);
  return judge(message, site.take()[0]?.bytes, { found: results.take(), reply });
}

/** A log that prints nothing, and remembers what the last transaction's line said was found. */
class LastResults {
  #last: Readonly<Record<string, string>> = {};
  readonly log: Log = {
    ...silentLog,
    info: (event, fields) => {
      if (event === 'transaction') this.#last = (fields?.results ?? {}) as Readonly<Record<string, string>>;
    },
  };

  take(): Readonly<Record<string, string>> {
    const last = this.#last;
    this.#last = {};
    return last;
  }
}

/** Starts the demo's site, says how to talk to it, and keeps it until SIGINT or SIGTERM. */
export async function keepDemo(): Promise<void> {
  // Listened for from the start on, so that nothing is left behind whenever a signal comes.
  const signalled = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const log = createLog({ level: 'warn', format: 'text' });
  await using site = await DemoSite.start({
    listen: { 'before-queue': await listenAddress(10025), 'after-queue': await listenAddress(10026) },
    log,
    arrived: ({ file, bytes }) => {
      const [header = ''] = bytes.toString('utf8').split('\r\n\r\n', 1);
      console.log(`\narrived downstream, ${file}\n${header}`);
    },
  });
  console.log(invitation(site));
  await signalled;
}

/** The port that is easy to remember where it is free, else any. */
async function listenAddress(port: number): Promise<string> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return `127.0.0.1:${port}`;
  } catch {
    return '127.0.0.1:0';
  } finally {
    server.close();
  }
}

function invitation(site: DemoSite): string {
  const before = site.address('before-queue');
  const after = site.address('after-queue');
  return [
    'Postern stands between you and a downstream that writes what it gets into files.',
    `  before-queue   ${before}   (rejects what DMARC says to reject)`,
    `  after-queue    ${after}   (marks it instead)`,
    `  everything     ${site.directory}   (postern.yaml, zone.yaml, messages; gone when this ends)`,
    '',
    'A message signed by the bank, and one that only says so, first in one mode, then in the other:',
    ...[before, after].flatMap((server) =>
      ['signed.eml', 'spoofed.eml'].map(
        (file) =>
          `  swaks --server ${server} --from service@bank.example --to ${recipient} --data @${join(site.directory, file)}`,
      ),
    ),
    '',
    'Ctrl-C ends it.',
  ].join('\n');
}
