// The modules that the configuration names as checks: found beside it, loaded, and blamed by line.
import { resolve } from 'node:path';
import type { ConfiguredCheck } from '../authentication/checks.ts';
import { CustomCheckError, type CustomEntry, loadCustomCheck } from '../authentication/custom.ts';
import type { Configuration } from './configuration.ts';
import { formatPath, printable } from './mistakes.ts';
import type { Following } from './source.ts';

/**
 * Loads them.
 *
 * @param taken names that other checks have
 * @param following mistakes are added to it; modules are looked for relative to its directory
 */
export function readCustomChecks(
  entries: readonly CustomEntry[],
  taken: readonly string[],
  following: Following,
): readonly ConfiguredCheck[] {
  const { source, mistakes, directory } = following;
  const names = new Set(taken);
  return entries.flatMap((entry, i) => {
    const path = ['checks', 'custom', i];
    const say = (keys: readonly PropertyKey[], text: string) => {
      mistakes.push(`${source.place([...path, ...keys])}: ${printable(entry.module)}: ${printable(text)}`);
    };
    try {
      const check = loadCustomCheck({ ...entry, module: resolve(directory, entry.module) });
      if (names.has(check.name)) say([], `its name, ${check.name}, is that of another check`);
      names.add(check.name);
      return [check];
    } catch (error) {
      if (!(error instanceof CustomCheckError)) throw error;
      for (const { keys, text } of error.mistakes) say(keys, text);
      return [];
    }
  });
}

/**
 * Loads those of a configuration that another process has read, and found good as the modules were when it loaded them.
 *
 * @throws {Error} when a module has changed since, and cannot be used any more
 */
export function reloadCustomChecks({ checks }: Pick<Configuration, 'checks'>): readonly ConfiguredCheck[] {
  return checks.custom.map((entry) => {
    try {
      return loadCustomCheck(entry);
    } catch (error) {
      if (!(error instanceof CustomCheckError)) throw error;
      const told = error.mistakes.map(({ keys, text }) =>
        keys.length > 0 ? `${formatPath(keys)}: ${text}` : text,
      );
      throw new Error(printable(`${entry.module}: ${told.join('; ')}`), { cause: error });
    }
  });
}
