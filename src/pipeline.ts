// How messages are judged and what is done about them, as the configuration says: the same for the proxy and `postern verify`.
import { Authentication, type AuthenticationOptions } from './authentication/authentication.ts';
import type { Configuration, ListenerConfiguration } from './config/configuration.ts';
import { methodsOf, ruleSource } from './config/rules.ts';
import { Policy } from './policy/policy.ts';
import type { Log } from './telemetry/log.ts';

/** The authentication of one listener's messages. */
export function buildAuthentication(
  configuration: Configuration,
  { name, hostname, authservId }: ListenerConfiguration,
  given: Pick<AuthenticationOptions, 'resolver' | 'explain' | 'report'>,
): Authentication {
  const { checks, customChecks, seal, receivedSpf, networks, header, listeners } = configuration;
  return new Authentication({
    ...given,
    authservId,
    hostname,
    listener: name,
    checks,
    customChecks,
    ...(seal && { seal }),
    receivedSpf,
    networks,
    removal: { ...header, authservIds: listeners.map((each) => each.authservId) },
  });
}

/** The policy of all listeners; `open` lets it follow its file of rules. */
export function buildPolicy({ policy, ruleFile, listeners, checks }: Configuration, log?: Log): Policy {
  const subjects = { listeners: listeners.map(({ name }) => name), methods: methodsOf(checks) };
  return new Policy(policy, {
    ...(log && { log }),
    ...(ruleFile && { ruleFile: ruleSource(ruleFile, subjects) }),
  });
}
