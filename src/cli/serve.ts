// `postern serve`: the primary process, until a signal ends it.
import type { Command } from 'commander';
import { type Account, accountOf } from '../config/accounts.ts';
import type { Configuration } from '../config/configuration.ts';
import { loadConfiguration } from '../config/load.ts';
import { ConfigurationError } from '../config/mistakes.ts';
import { exits } from '../exits.ts';
import { keepSmall } from '../supervisor/heap.ts';
import { CurrentLog } from '../telemetry/current-log.ts';
import { endOfMistakes, load } from './load.ts';
import { Signals } from './signals.ts';

/** Adds the command. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run the proxy until SIGTERM or SIGINT; SIGHUP reads the configuration again')
    .option('-c, --config <file>', 'configuration file; default: the environment, /etc/postern/postern.yaml')
    .action(async ({ config }: { config?: string }) => serve(config));
}

/** Runs the proxy; the process ends with it. */
async function serve(file: string | undefined): Promise<void> {
  const signals = new Signals();
  keepSmall();
  const configuration = load(file);
  const { dropGroups, logOf } = await import('../supervisor/privileges.ts');
  dropGroups();
  const log = new CurrentLog(logOf(configuration, findWorkersAccount(configuration)));
  const { Supervisor: MailSupervisor } = await import('../supervisor/supervisor.ts');
  const { startFailure, startStatus } = await import('../supervisor/start-failure.ts');
  const { surviveMistakes } = await import('../supervisor/survive.ts');
  const { Systemd } = await import('../supervisor/systemd.ts');
  surviveMistakes(log);
  const supervisor = new MailSupervisor({
    configuration,
    load: () => loadConfiguration({ ...(file !== undefined && { file }), environment: process.env }),
    log,
    systemd: new Systemd(process.env, log),
  });
  signals.tell({ log, reload: () => supervisor.reload(), kill: () => supervisor.kill() });
  try {
    await Promise.race([supervisor.start(), signals.end]);
  } catch (error) {
    if (error instanceof ConfigurationError) endOfMistakes(error);
    process.stderr.write(`postern: ${startFailure(error)}\n`);
    process.exit(startStatus(error));
  }
  if (supervisor.addresses.size > 0) {
    console.log(`postern: listening on ${describeListeners(configuration, supervisor.addresses)}`);
  }
  await signals.end;
  await supervisor.stop();
  log.info('stopped');
  process.exit(exits.ok);
}

function findWorkersAccount(configuration: Configuration): Account | undefined {
  try {
    return accountOf(configuration);
  } catch (error) {
    if (error instanceof ConfigurationError) endOfMistakes(error);
    throw error;
  }
}

function describeListeners(configuration: Configuration, addresses: ReadonlyMap<string, string>): string {
  return configuration.listeners.map(({ name, mode }) => `${addresses.get(name)} (${mode})`).join(', ');
}
