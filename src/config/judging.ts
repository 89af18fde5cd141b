// The configuration of a command that judges or asks without a listener, with a zone file of its own.
import type { Configuration } from './configuration.ts';
import { loadConfiguration } from './load.ts';

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
  const configuration = loadConfiguration({
    ...(config !== undefined && { file: config }),
    environment: zone === undefined ? environment : { ...environment, POSTERN_DNS_ZONE: zone },
    purpose: 'judge',
  });
  if (zone === undefined) return configuration;
  return { ...configuration, dns: { ...configuration.dns, zoneOnly: true } };
}
