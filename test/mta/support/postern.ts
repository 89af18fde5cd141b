// Postern itself, run as an administrator runs it: a process with a configuration file.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { type Daemon, type Site, untilReady } from './site.ts';

const PROGRAM = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url));

/**
 * Starts `postern serve` and waits until it says that it listens.
 *
 * @param configuration YAML as the document of a use shows it; what belongs to the test is added here
 * @param nameServer `address:port` of the only name server it may ask
 * @param more variables of its environment
 */
export async function startPostern(
  site: Site,
  configuration: string,
  nameServer: string,
  more: NodeJS.ProcessEnv = {},
): Promise<Daemon> {
  const directory = site.directory('postern');
  const file = join(directory, 'postern.yaml');
  const settings = {
    ...parse(configuration),
    dns: { servers: [nameServer], timeout: '2s' },
    spool: { directory },
    http: false,
    workers: 1,
  };
  writeFileSync(file, stringify(settings));
  const daemon = site.start(process.execPath, [PROGRAM, 'serve', '--config', file], {
    ...environment(),
    ...more,
  });
  await untilReady('Postern', daemon, () => /listening/iu.test(daemon.output()));
  return daemon;
}

/** The environment without what the test runner put there for itself, and without settings of Postern. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith('POSTERN_') && !name.startsWith('NODE_TEST_'),
    ),
  );
}
