// `postern serve`: the proxy, until a signal ends it.
import { accessSync, constants } from 'node:fs';
import type { Command } from 'commander';
import type { Configuration } from '../config/configuration.ts';
import { exits } from '../exits.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { load } from './load.ts';

/** Adds the command. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run the proxy until SIGTERM or SIGINT')
    .option('-c, --config <file>', 'configuration file; default: the environment, /etc/postern/postern.yaml')
    .action(async ({ config }: { config?: string }) => serve(load(config)));
}

/** Runs the proxy; the process ends with it. */
async function serve(configuration: Configuration): Promise<void> {
  const log = createLog(configuration.log);
  surviveMistakes(log);
  const signalled = untilSignal(log);
  const { Proxy: MailProxy } = await import('../proxy.ts');
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
