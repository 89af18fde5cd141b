// All commands of the program, and what they have in common.
import { Command } from 'commander';
import { exits } from '../exits.ts';
import { version } from '../version.ts';
import { addCompletion } from './completion.ts';
import { addConfig } from './config.ts';
import { addDemo } from './demo.ts';
import { addDns } from './dns.ts';
import { addHelp } from './help.ts';
import { end } from './output.ts';
import { addSend } from './send.ts';
import { addServe } from './serve.ts';
import { addTop } from './top.ts';
import { addVerify } from './verify.ts';

/** The program, ready to parse a command line; a wrong one ends the process with status 64. */
export function postern(): Command {
  const program = new Command('postern')
    .description('A transparent SMTP and LMTP proxy that authenticates mail between two mail servers')
    .version(version)
    .commandsGroup('More:')
    .helpCommand(true)
    .showHelpAfterError('(postern --help lists the commands)')
    .exitOverride((error) => end(error.exitCode === 0 ? exits.ok : exits.usage));
  addServe(program);
  addTop(program);
  addVerify(program);
  addSend(program);
  addDns(program);
  addConfig(program);
  addCompletion(program);
  addDemo(program);
  addHelp(program);
  return program;
}
