// `postern config ...`: beginning with a configuration, and looking at one.
import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { beginning, type Use, uses } from '../config/init.ts';
import { ConfigurationError } from '../config/mistakes.ts';
import { describeAsYaml, describeConfiguration } from '../config/show.ts';
import { exits } from '../exits.ts';
import { endOfMistakes, load } from './load.ts';
import { endWith, note } from './output.ts';

/** Adds the command and its subcommands. */
export function addConfig(program: Command): void {
  const config = program.command('config').description('begin with a configuration, or look at one');
  config
    .command('check')
    .description(
      'say what is wrong in a configuration, with exit status 78; nothing wrong, or warnings only: 0',
    )
    .argument('[file]', 'configuration file; default: what serve would use')
    .action((file?: string) => {
      const configuration = load(file, 'check');
      for (const warning of configuration.warnings) process.stderr.write(`warning: ${warning}\n`);
      const names = configuration.listeners.map(({ name }) => name).join(', ');
      return endWith(exits.ok, `${configuration.file ?? 'environment'}: good (${names})\n`);
    });
  config
    .command('show')
    .description('write a configuration with all its defaults, as it would hold; secrets are masked')
    .argument('[file]', 'configuration file; default: what serve would use')
    .option('--json', 'write one JSON object; default: YAML that loads again')
    .action(show);
  config
    .command('init')
    .description('write a commented configuration to begin with, and the lines that Postfix needs for it')
    .addOption(new Option('--use <use>', 'where Postern stands').choices(uses).makeOptionMandatory())
    .option('-o, --output <file>', 'a new file for the configuration; default: standard output')
    .action(init);
}

async function show(file: string | undefined, { json }: { readonly json?: true }): Promise<never> {
  const place = { ...(file !== undefined && { file }), environment: process.env };
  try {
    const text = json ? `${JSON.stringify(describeConfiguration(place), null, 2)}\n` : describeAsYaml(place);
    return await endWith(exits.ok, text);
  } catch (error) {
    if (error instanceof ConfigurationError) return endOfMistakes(error);
    throw error;
  }
}

/** What is asked for goes to standard output; the other part is for whoever reads along. */
async function init({ use, output }: { readonly use: Use; readonly output?: string }): Promise<never> {
  const { configuration, postfix } = beginning(use);
  if (output === undefined) {
    process.stderr.write(postfix);
    return endWith(exits.ok, configuration);
  }
  try {
    writeFileSync(output, configuration, { flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    note(`${output}: ${code === 'EEXIST' ? 'is there already; expected a new file' : message}`);
    process.exit(exits.cannotCreate);
  }
  note(`${output}: written; check it after changes with: postern config check ${output}`);
  return endWith(exits.ok, postfix);
}
