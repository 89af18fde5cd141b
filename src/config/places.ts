// Directories that the configuration names, and Postern does not make: whether they are there.
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { show } from './mistakes.ts';
import type { ParsedConfiguration } from './schema.ts';
import type { Source } from './source.ts';

/**
 * One line for each that is not there, or is something else. They are no mistakes: those of a socket, of the log and
 * of the spool may be made by who starts Postern (systemd, a container), and are not there yet when it is checked.
 *
 * @param from.directory names are relative to it
 */
export function missingPlaces(
  { listeners, spool, log }: Pick<ParsedConfiguration, 'listeners' | 'spool' | 'log'>,
  { source, directory }: { readonly source: Source; readonly directory: string },
): string[] {
  const say = (path: readonly PropertyKey[], text: string) => `${source.place(path)}: ${text}`;
  const wanted = (path: readonly PropertyKey[], place: string, why: string): string[] => {
    const found = kindOf(place);
    if (found === 'directory' || found === 'unknown') return [];
    const what = found === 'nothing' ? 'is not there' : 'is no directory';
    return [say(path, `${show(place)} ${what}: ${why}; expected a directory`)];
  };
  const { output } = log;
  return [
    ...listeners.flatMap(({ listen }, i) =>
      'path' in listen
        ? wanted(['listeners', i, 'listen'], dirname(listen.path), 'nothing can listen there')
        : [],
    ),
    ...(spool.directory === undefined
      ? []
      : wanted(
          ['spool', 'directory'],
          resolve(directory, spool.directory),
          'large messages would be put off with 452',
        )),
    ...(output.kind !== 'file' ? [] : wanted(['log', 'output'], dirname(output.path), linesElsewhere)),
    ...(output.kind === 'file' && kindOf(output.path) === 'directory'
      ? [
          say(
            ['log', 'output'],
            `${show(output.path)} is a directory: ${linesElsewhere}; expected the path of a file`,
          ),
        ]
      : []),
  ];
}

const linesElsewhere = 'lines would go to standard error';

/** `unknown`: it is where we may not look; who starts Postern may. */
function kindOf(path: string): 'directory' | 'other' | 'nothing' | 'unknown' {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) return 'nothing';
    return found.isDirectory() ? 'directory' : 'other';
  } catch {
    return 'unknown';
  }
}
