// Finds where a configuration is described: the file that was named, the environment, or a default file.
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  describesListener,
  listenerVariablesIn,
  namesZone,
  overrideFromEnvironment,
  readEnvironment,
} from './environment.ts';
import { formatPath } from './mistakes.ts';
import { readYaml, type Source } from './source.ts';
import { withListener } from './stand-in.ts';

/** Where a file is looked for when none is named: the administrator's, then that of the package. */
const defaultFiles: readonly [string, string] = [
  '/etc/postern/postern.yaml',
  fileURLToPath(new URL('../../config/postern.yaml', import.meta.url)),
];

/** Which configuration is meant. */
export interface ConfigurationPlace {
  /** Default: the environment when it describes a listener, else the first default file there is. */
  readonly file?: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly purpose?: Purpose;
}

/**
 * What a configuration is read for. Default: `serve`.
 *
 * - `check`: to be told what is wrong in it, also for whoever starts it, who may be root
 * - `judge`: nothing will listen, so that no listener is needed
 */
export type Purpose = 'serve' | 'check' | 'judge';

/** A configuration as it is described, before it is checked. */
export interface FoundSource {
  /** Undefined: the environment alone. */
  readonly file: string | undefined;
  readonly source: Source;
  /** Names of files are relative to it. */
  readonly directory: string;
  /** That of the zone file is relative to this one. */
  readonly zoneDirectory: string;
  /** What somebody has made, and is not used: one line for each. */
  readonly unused: readonly string[];
}

/**
 * Finds and reads it.
 *
 * @param files the default ones; tests have their own
 * @throws {ConfigurationError} when the file cannot be read, or is not YAML
 */
export function findSource(place: ConfigurationPlace, files = defaultFiles): FoundSource {
  const { environment, purpose = 'serve' } = place;
  const file = place.file ?? (describesListener(environment) ? undefined : files.find(mayBeThere));
  const directory = file === undefined ? process.cwd() : dirname(resolve(file));
  return {
    file,
    source: readSource(file, environment, purpose),
    directory,
    // A variable's path is relative to where the program was started, as in any shell.
    zoneDirectory: namesZone(environment) ? process.cwd() : directory,
    unused: unusedIn(file, environment, files[0]),
  };
}

/** A file is used, or the variables that describe a listener: of both, one is there in vain. */
function unusedIn(
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
  administratorsFile: string,
): readonly string[] {
  const variables = listenerVariablesIn(environment).join(', ');
  if (variables === '') return [];
  if (file !== undefined) return [`${variables}: not used, since the listeners are those of ${file}`];
  return mayBeThere(administratorsFile)
    ? [`${administratorsFile}: not used, since the environment describes a listener: ${variables}`]
    : [];
}

/** One in a directory that we may not enter is there: to take another one would be to ignore it without a word. */
function mayBeThere(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

function readSource(file: string | undefined, environment: NodeJS.ProcessEnv, purpose: Purpose): Source {
  if (purpose !== 'judge' || (file === undefined && describesListener(environment))) {
    return file === undefined
      ? readEnvironment(environment)
      : overrideFromEnvironment(readYaml(file, environment), environment);
  }
  const nothing = { value: {}, place: formatPath, line: () => 0 };
  const described = file === undefined ? nothing : readYaml(file, environment);
  return withListener(overrideFromEnvironment(described, environment));
}
