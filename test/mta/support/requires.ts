// Says whether the real mail servers and tools that a test needs are on this machine, and which packages bring them.
import { accessSync, constants } from 'node:fs';

/** A server that tests here start, with the file that proves it is installed and its Debian package. */
const servers = {
  postfix: { file: '/usr/sbin/postfix', debianPackage: 'postfix' },
  dovecot: { file: '/usr/lib/dovecot/lmtp', debianPackage: 'dovecot-lmtpd' },
  // Debian does not install it beside Postfix: .ci/run unpacks it.
  exim: { file: '/usr/local/lib/exim4/exim4', debianPackage: 'exim4-daemon-light' },
  nsd: { file: '/usr/sbin/nsd', debianPackage: 'nsd' },
} as const;

/** Other people's implementations that tests here compare ours with. */
const tools = {
  dkimpy: { file: '/usr/lib/python3/dist-packages/dkim/__init__.py', debianPackage: 'python3-dkim' },
  promtool: { file: '/usr/bin/promtool', debianPackage: 'prometheus' },
  systemdNotify: { file: '/usr/bin/systemd-notify', debianPackage: 'systemd' },
  openssl: { file: '/usr/bin/openssl', debianPackage: 'openssl' },
  python: { file: '/usr/bin/python3', debianPackage: 'python3' },
  authres: { file: '/usr/lib/python3/dist-packages/authres/core.py', debianPackage: 'python3-authres' },
} as const;

export type Server = keyof typeof servers;

/**
 * The reason to skip tests that need real servers, or false when they can run: the `skip` option of node:test.
 *
 * @param needed the servers the test file starts
 * @throws Error when something is missing while `CI` is set, since there a skipped test is a failure
 */
export function skipWithout(...needed: readonly Server[]): string | false {
  const reasons = missingPackages(
    needed.map((name) => servers[name]),
    constants.X_OK,
  );
  // Postfix and Dovecot switch between users of their own, which only root can do.
  if (process.getuid?.() !== 0) reasons.push('run as root');
  return skipFor('needs real mail servers', reasons);
}

/** The same for tests that only run tools. */
export function skipWithoutTools(...needed: readonly (keyof typeof tools)[]): string | false {
  const reasons = missingPackages(
    needed.map((name) => tools[name]),
    constants.R_OK,
  );
  return skipFor('needs other implementations', reasons);
}

function missingPackages(
  needed: readonly { readonly file: string; readonly debianPackage: string }[],
  mode: number,
): string[] {
  const missing = needed.filter(({ file }) => !isAccessible(file, mode));
  if (missing.length === 0) return [];
  return [`apt-get install ${missing.map(({ debianPackage }) => debianPackage).join(' ')}`];
}

function skipFor(what: string, reasons: readonly string[]): string | false {
  if (reasons.length === 0) return false;
  const reason = `${what}: ${reasons.join('; ')}`;
  if (isSet(process.env.CI)) throw new Error(reason);
  return reason;
}

function isAccessible(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false' && value !== '0';
}
