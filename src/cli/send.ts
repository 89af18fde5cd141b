// `postern send`: one message to a server, and what was said.
import { type Command, Option } from 'commander';
import { exits } from '../exits.ts';
import { printable, printableJson } from '../printable.ts';
import type { DialogueLine } from '../send/dialogue.ts';
import type { SendOptions } from '../send/request.ts';
import { collect, endWith, note } from './output.ts';

/** What became of the message, as an exit status. */
const statuses = {
  accepted: exits.ok,
  temporary: exits.temporary,
  refused: exits.unavailable,
  unreachable: exits.noHost,
  broken: exits.protocol,
} as const;

/** Adds the command. */
export function addSend(program: Command): void {
  program
    .command('send')
    .description('send one message to a server, and show what was said')
    .argument('[file]', 'the message; -: standard input. Default: a quick message')
    .requiredOption('--server <address>', 'host:port, unix:/path, or a destination such as lmtp://host:24')
    .requiredOption('--from <address>', 'the envelope sender; <> for the null sender')
    .requiredOption('--to <address>', 'an envelope recipient; may be given several times', collect)
    .option('--lmtp', 'speak LMTP')
    .addOption(new Option('--tls <mode>', 'begin TLS. Default: no TLS').choices(['starttls', 'implicit']))
    .option('--insecure', 'with TLS: any certificate will do')
    .option('--helo <name>', 'name to greet with. Default: the host’s name')
    .option('--xforward-addr <address>', 'XFORWARD: the client’s address')
    .option('--xforward-name <name>', 'XFORWARD: the client’s name')
    .option('--xforward-helo <name>', 'XFORWARD: what the client said in HELO or EHLO')
    .option('--xforward-port <port>', 'XFORWARD: the client’s port')
    .option('--xforward-proto <protocol>', 'XFORWARD: SMTP or ESMTP')
    .option('--xforward-ident <id>', 'XFORWARD: the queue id')
    .option('--xforward-source <source>', 'XFORWARD: LOCAL or REMOTE')
    .option('--subject <text>', 'of a quick message')
    .option('--body <text>', 'of a quick message')
    .option('--timeout <time>', 'the longest wait for any answer', '60s')
    .option('--quiet', 'say nothing unless something goes wrong')
    .option('--json', 'write one JSON object, the dialogue in it')
    .action(sendMessage);
}

/** Sends a message; the process ends with it. */
async function sendMessage(file: string | undefined, options: SendOptions): Promise<never> {
  const { runSend } = await import('../send/command.ts');
  const { formatLine } = await import('../send/dialogue.ts');
  const { SendError } = await import('../send/error.ts');
  const { json = false, quiet = false } = options;
  const dialogue: DialogueLine[] = [];
  const listen = (line: DialogueLine) => {
    if (json) dialogue.push(line);
    else if (!quiet) process.stdout.write(`${formatLine(line)}\n`);
  };
  try {
    const answer = await runSend(file, options, listen);
    if (!json && answer.problem !== undefined) note(printable(answer.problem));
    return await endWith(statuses[answer.outcome], json ? `${printableJson({ ...answer, dialogue })}\n` : '');
  } catch (error) {
    if (!(error instanceof SendError)) throw error;
    note(printable(error.message));
    process.exit(exits[error.kind]);
  }
}
