// `postern dns`: a name asked for as the proxy would.
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { ConfigurationError } from '../config/mistakes.ts';
import { exits } from '../exits.ts';
import { type RecordType, readType, recordTypes } from '../lookup/types.ts';
import { endOfMistakes } from './load.ts';
import { endWith } from './output.ts';

/** What was found, as an exit status. */
const statuses = { found: 0, none: 1, failure: 2 } as const;

interface DnsCommandOptions {
  readonly config?: string;
  readonly zone?: string;
  readonly json?: boolean;
}

/** Adds the command. */
export function addDns(program: Command): void {
  program
    .command('dns')
    .description('ask for a name as the proxy would: 0 found, 1 no such name or record, 2 not known')
    .argument('<name>', 'a name; or an address, whose name is asked for')
    .addArgument(typeArgument())
    .option('-c, --config <file>', 'configuration file; default: what serve would use')
    .option('--zone <file>', 'zone file that answers in place of DNS; the network is not asked')
    .option('--json', 'write one JSON object')
    .action(ask);
}

function typeArgument(): Argument {
  const argument = new Argument('[type]', 'of the record. Default: A, of an address PTR').choices(
    recordTypes,
  );
  return argument.argParser((text) => {
    const type = readType(text);
    if (type) return type;
    throw new InvalidArgumentError(`Allowed choices are ${recordTypes.join(', ')}.`);
  });
}

async function ask(
  this: Command,
  name: string,
  given: RecordType | undefined,
  options: DnsCommandOptions,
): Promise<never> {
  const { lookUp, usualType } = await import('../lookup/lookup.ts');
  const { reportJson, reportText, verdictOf } = await import('../lookup/report.ts');
  const { loadForJudging } = await import('../config/judging.ts');
  if (name === '') this.error('error: the name is empty');
  if (options.zone === '') this.error('error: --zone: expected the name of a file');
  try {
    const { dns } = loadForJudging({ ...options, environment: process.env });
    const finding = await lookUp(name, given ?? usualType(name), dns);
    const report = options.json ? reportJson(finding) : reportText(finding, dns.zoneOnly);
    return await endWith(statuses[verdictOf(finding)], report);
  } catch (error) {
    if (error instanceof ConfigurationError) return endOfMistakes(error);
    // Status 1, that of an exception, would say that there is no such name.
    process.stderr.write(`postern: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(exits.software);
  }
}
