#!/usr/bin/env node
// The program's commands: serve, verify, demo, start, config check.
import { accessSync, constants, readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Configuration } from './config/configuration.ts';
import { loadConfiguration } from './config/load.ts';
import { ConfigurationError } from './config/mistakes.ts';
import { createLog, type Log } from './telemetry/log.ts';
import type { VerifyOptions } from './verify/command.ts';

/** Exit statuses as in sysexits(3). */
const exits = {
  ok: 0,
  usage: 64,
  data: 65,
  noInput: 66,
  software: 70,
  system: 71,
  output: 74,
  permission: 77,
  configuration: 78,
} as const;

/** What `verify` says of a message. */
const verdicts = { pass: 0, fail: 1, error: 2 } as const;

const program = new Command('postern')
  .description('A transparent SMTP and LMTP proxy that authenticates mail between two mail servers')
  .version(packageVersion())
  .showHelpAfterError('(postern --help lists the commands)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? exits.ok : exits.usage));

program
  .command('serve')
  .description('run the proxy until SIGTERM or SIGINT')
  .option('-c, --config <file>', 'configuration file; default: the environment, /etc/postern/postern.yaml')
  .action(async ({ config }: { config?: string }) => serve(load(config)));

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

program
  .command('demo')
  .description('send a few messages through a proxy on loopback, and show what becomes of them')
  .action(async () => {
    const { runDemo } = await import('./demo/demo.ts');
    process.exit(await runDemo());
  });

program
  .command('start')
  .description('keep the set-up of the demo running, and say how to talk to it')
  .action(async () => {
    const { keepDemo } = await import('./demo/demo.ts');
    await keepDemo();
    process.exit(exits.ok);
  });

program
  .command('config')
  .description('look at a configuration')
  .command('check')
  .description('say what is wrong in a configuration, with exit status 78; nothing wrong: 0')
  .argument('[file]', 'configuration file; default: what serve would use')
  .action((file?: string) => {
    const configuration = load(file);
    const names = configuration.listeners.map(({ name }) => name).join(', ');
    console.log(`${configuration.file ?? 'environment'}: good (${names})`);
  });

// A reader of our output who goes away is no reason to stop passing mail.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
await program.parseAsync();

/** The configuration, or the end. */
function load(file: string | undefined): Configuration {
  try {
    return loadConfiguration({ ...(file !== undefined && { file }), environment: process.env });
  } catch (error) {
    if (error instanceof ConfigurationError) return endOfMistakes(error);
    throw error;
  }
}

/** One line on standard error for each mistake in the configuration, and the end. */
function endOfMistakes(error: ConfigurationError): never {
  process.stderr.write(`${error.mistakes.join('\n')}\n`);
  process.exit(exits.configuration);
}

/** An option that may be given several times. */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** Judges a message; the process ends with it. */
async function verifyMessage(file: string | undefined, options: VerifyOptions): Promise<never> {
  const { runVerify } = await import('./verify/command.ts');
  const { VerifyError } = await import('./verify/error.ts');
  const note = (text: string) => process.stderr.write(`postern: ${text}\n`);
  try {
    const { verdict, report } = await runVerify(file, options, note);
    const failure = await writeOut(report);
    // Who closes a pipe has seen enough; but half a report in a file says the wrong thing.
    if (!failure || failure.code === 'EPIPE') process.exit(verdicts[verdict]);
    note(`standard output: cannot be written: ${failure.message}`);
    process.exit(exits.output);
  } catch (error) {
    if (error instanceof ConfigurationError) return endOfMistakes(error);
    note(error instanceof Error ? error.message : String(error));
    // Status 1, that of an exception, would be a verdict.
    process.exit(error instanceof VerifyError ? exits[error.kind] : exits.software);
  }
}

/** @returns why it could not be written, when it could not */
function writeOut(text: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => process.stdout.write(text, (error) => resolve(error ?? undefined)));
}

/** Runs the proxy; the process ends with it. */
async function serve(configuration: Configuration): Promise<void> {
  const log = createLog(configuration.log);
  surviveMistakes(log);
  const signalled = untilSignal(log);
  const { Proxy: MailProxy } = await import('./proxy.ts');
  const proxy = new MailProxy(configuration, log);
  try {
    await proxy.start();
  } catch (error) {
    process.stderr.write(`postern: ${startFailure(error)}\n`);
    process.exit(startStatus(error));
  }
  console.log(`postern: listening on ${describeListeners(configuration, proxy.addresses)}`);
  warnAboutSpool(configuration, log);
  await signalled;
  await proxy.stop();
  log.info('stopped');
  process.exit(exits.ok);
}

function describeListeners(configuration: Configuration, addresses: ReadonlyMap<string, string>): string {
  return configuration.listeners.map(({ name, mode }) => `${addresses.get(name)} (${mode})`).join(', ');
}

/** The first signal asks for an orderly end, which is bounded; whoever sends a second one will not wait. */
function untilSignal(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        signals += 1;
        if (signals > 1) process.exit(128 + (signal === 'SIGTERM' ? 15 : 2));
        log.info('stopping', { signal });
        resolve();
      });
    }
  });
}

/** What comes up to here is a mistake of ours in one transaction; all the others still go on. */
function surviveMistakes(log: Log): void {
  const report = (event: string) => (error: unknown) => {
    log.error(event, { error, stack: error instanceof Error ? error.stack : undefined });
  };
  process.on('unhandledRejection', report('unhandled rejection'));
  process.on('uncaughtException', report('uncaught exception'));
}

function startFailure(error: unknown): string {
  if (!(error instanceof Error)) return `cannot start: ${String(error)}`;
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (address === undefined) return `cannot start: ${error.message}`;
  const host = address.includes(':') ? `[${address}]` : address;
  const isPath = port === undefined || port < 0;
  const where = isPath ? `unix:${address}` : `${host}:${port}`;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program listens there',
    EADDRNOTAVAIL: 'this host does not have that address',
    // For the path of a UNIX socket, Node.js says the same of a directory that is not there.
    EACCES: isPath ? 'permission denied, or no such directory' : 'permission denied',
    ENOTFOUND: 'there is no such host',
  };
  return `cannot listen on ${where}: ${reasons[code ?? ''] ?? error.message} (${code})`;
}

function startStatus(error: unknown): number {
  const { code, syscall } = error as Partial<NodeJS.ErrnoException>;
  if (code === 'EACCES' || code === 'EPERM') return exits.permission;
  return syscall === undefined ? exits.software : exits.system;
}

/** Only large messages need the directory, so that mail passes without it; but who runs this should know. */
function warnAboutSpool({ spool }: Configuration, log: Log): void {
  try {
    accessSync(spool.directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    log.warn('large messages will be put off with 452: the spool directory cannot be written', {
      directory: spool.directory,
      error,
    });
  }
}

function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
