// `postern verify`: one message judged without SMTP.
import type { Command } from 'commander';
import { ConfigurationError } from '../config/mistakes.ts';
import { exits } from '../exits.ts';
import type { VerifyOptions } from '../verify/command.ts';
import { endOfMistakes } from './load.ts';
import { collect, endWith, note } from './output.ts';

/** What is said of a message. */
const verdicts = { pass: 0, fail: 1, error: 2 } as const;

/** Adds the command. */
export function addVerify(program: Command): void {
  program
    .command('verify')
    .description('judge one message as the proxy would, and say why: 0 pass, 1 fail, 2 not known')
    .argument('[file]', 'the message; default, and -: standard input')
    .option('--ip <address>', 'the client’s address. Default: not known')
    .option('--helo <name>', 'what the client said in HELO or EHLO. Default: not known')
    .option('--from <address>', 'the envelope sender. Default: the message’s Return-Path, else <>')
    .option('--to <address>', 'an envelope recipient; may be given several times', collect)
    .option('--listener <name>', 'whose settings hold. Default: the first')
    .option('-c, --config <file>', 'configuration file; default: what serve would use')
    .option('--zone <file>', 'zone file that answers in place of DNS; the network is not asked')
    .option('--smtputf8', 'the message may have UTF-8 in its header')
    .option('--explain', 'tell what each check asked, heard and concluded')
    .option('--json', 'write one JSON object')
    .action(verifyMessage);
}

/** Judges a message; the process ends with it. */
async function verifyMessage(file: string | undefined, options: VerifyOptions): Promise<never> {
  const { runVerify } = await import('../verify/command.ts');
  const { VerifyError } = await import('../verify/error.ts');
  try {
    const { verdict, report } = await runVerify(file, options, note);
    return await endWith(verdicts[verdict], report);
  } catch (error) {
    if (error instanceof ConfigurationError) return endOfMistakes(error);
    note(error instanceof Error ? error.message : String(error));
    // Status 1, that of an exception, would be a verdict.
    process.exit(error instanceof VerifyError ? exits[error.kind] : exits.software);
  }
}
