// Says whether the real mail servers that a test needs are on this machine, and which packages bring them.
import { accessSync, constants } from 'node:fs';

/** A server that tests here start, with the file that proves it is installed and its Debian package. */
const servers = {
  postfix: { file: '/usr/sbin/postfix', debianPackage: 'postfix' },
  dovecot: { file: '/usr/lib/dovecot/lmtp', debianPackage: 'dovecot-lmtpd' },
  nsd: { file: '/usr/sbin/nsd', debianPackage: 'nsd' },
} as const;

export type Server = keyof typeof servers;

/**
 * The reason to skip tests that need real servers, or false when they can run: the `skip` option of node:test.
 *
 * @param needed the servers the test file starts
 * @throws Error when something is missing while `CI` is set, since there a skipped test is a failure
 */
export function skipWithout(...needed: readonly Server[]): string | false {
  const missing = needed.filter((name) => !isExecutable(servers[name].file));
  const reasons: string[] = [];
  if (missing.length > 0) {
    reasons.push(`apt-get install ${missing.map((name) => servers[name].debianPackage).join(' ')}`);
  }
  // Postfix and Dovecot switch between users of their own, which only root can do.
  if (process.getuid?.() !== 0) reasons.push('run as root');
  if (reasons.length === 0) return false;
  const reason = `needs real mail servers: ${reasons.join('; ')}`;
  if (isSet(process.env.CI)) throw new Error(reason);
  return reason;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false' && value !== '0';
}
