// All commands of the program, and what they have in common.
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { exits } from '../exits.ts';
import { addConfig } from './config.ts';
import { addDemo } from './demo.ts';
import { addDns } from './dns.ts';
import { addSend } from './send.ts';
import { addServe } from './serve.ts';
import { addTop } from './top.ts';
import { addVerify } from './verify.ts';

/** The program, ready to parse a command line; a wrong one ends the process with status 64. */
export function postern(): Command {
  const program = new Command('postern')
    .description('A transparent SMTP and LMTP proxy that authenticates mail between two mail servers')
    .version(packageVersion())
    .showHelpAfterError('(postern --help lists the commands)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? exits.ok : exits.usage));
  addServe(program);
  addVerify(program);
  addSend(program);
  addDns(program);
  addTop(program);
  addDemo(program);
  addConfig(program);
  return program;
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
