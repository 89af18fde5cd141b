// The configuration that a command works with, or the end of the program.
import type { Configuration } from '../config/configuration.ts';
import type { Purpose } from '../config/find.ts';
import { loadConfiguration } from '../config/load.ts';
import { ConfigurationError } from '../config/mistakes.ts';
import { exits } from '../exits.ts';

/** The configuration, or the end. */
export function load(file: string | undefined, purpose: Purpose = 'serve'): Configuration {
  try {
    return loadConfiguration({ ...(file !== undefined && { file }), environment: process.env, purpose });
  } catch (error) {
    if (error instanceof ConfigurationError) return endOfMistakes(error);
    throw error;
  }
}

/** One line on standard error for each mistake in the configuration, and the end. */
export function endOfMistakes(error: ConfigurationError): never {
  process.stderr.write(`${error.mistakes.join('\n')}\n`);
  process.exit(exits.configuration);
}
