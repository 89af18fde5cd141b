// `postern config ...`: looking at a configuration.
import type { Command } from 'commander';
import { load } from './load.ts';

/** Adds the command and its subcommands. */
export function addConfig(program: Command): void {
  const config = program.command('config').description('look at a configuration');
  config
    .command('check')
    .description('say what is wrong in a configuration, with exit status 78; nothing wrong: 0')
    .argument('[file]', 'configuration file; default: what serve would use')
    .action((file?: string) => {
      const configuration = load(file);
      const names = configuration.listeners.map(({ name }) => name).join(', ');
      console.log(`${configuration.file ?? 'environment'}: good (${names})`);
    });
}
