// How a listener's messages are judged, as the configuration says: the same for the proxy and for `postern verify`.
import { Authentication, type AuthenticationOptions } from './authentication/authentication.ts';
import type { Configuration, ListenerConfiguration } from './config/configuration.ts';

/** The authentication of one listener's messages. */
export function buildAuthentication(
  configuration: Configuration,
  { name, hostname, authservId }: ListenerConfiguration,
  given: Pick<AuthenticationOptions, 'resolver' | 'explain' | 'report'>,
): Authentication {
  const { checks, customChecks, receivedSpf, networks, header, listeners } = configuration;
  return new Authentication({
    ...given,
    authservId,
    hostname,
    listener: name,
    checks,
    customChecks,
    receivedSpf,
    networks,
    removal: { ...header, authservIds: listeners.map((each) => each.authservId) },
  });
}
