// The configuration of a command that judges or asks without a listener, with a zone file of its own.
import type { Configuration } from './configuration.ts';
import { loadConfiguration } from './load.ts';
import { ConfigurationError } from './mistakes.ts';

/**
 * Loads it as `serve` would find it; listeners and certificates are not needed.
 *
 * @param given.zone the file answers in place of DNS, and the network is not asked
 * @throws {ConfigurationError}
 */
export function loadForJudging(given: {
  readonly config?: string | undefined;
  readonly zone?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}): Configuration {
  const { config, zone, environment } = given;
  const place = { ...(config !== undefined && { file: config }), purpose: 'judge' } as const;
  if (zone === undefined) return loadConfiguration({ ...place, environment });
  try {
    const environmentWithZone = { ...environment, POSTERN_DNS_ZONE: zone };
    const configuration = loadConfiguration({ ...place, environment: environmentWithZone });
    return { ...configuration, dns: { ...configuration.dns, zoneOnly: true } };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    // Whoever gave the option knows of no variable.
    throw new ConfigurationError(
      error.mistakes.map((mistake) => mistake.replace(/^POSTERN_DNS_ZONE: /, '--zone: ')),
    );
  }
}
