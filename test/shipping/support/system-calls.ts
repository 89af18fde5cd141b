// A program under the SystemCallFilter of a systemd unit, without systemd: the same filter, set by the same library.
import { execFileSync } from 'node:child_process';

/** What systemd calls a set of system calls, and those of it. */
function callsOf(set: string): readonly string[] {
  const listed = execFileSync('systemd-analyze', ['syscall-filter', set], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  const names = listed
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
  return names
    .filter((name) => /^@?[a-z]/u.test(name))
    .flatMap((name) => (name.startsWith('@') ? callsOf(name) : [name]));
}

/**
 * The system calls that a unit permits.
 *
 * @param filters values of SystemCallFilter in their order (systemd.exec(5)), the first one a list of what is permitted
 */
export function permittedCalls(filters: readonly string[]): ReadonlySet<string> {
  const permitted = new Set(callsOf('@default'));
  for (const filter of filters) {
    const takesAway = filter.startsWith('~');
    for (const item of filter.replace('~', '').split(' ')) {
      for (const call of item.startsWith('@') ? callsOf(item) : [item]) {
        if (takesAway) permitted.delete(call);
        else permitted.add(call);
      }
    }
  }
  return permitted;
}

/** Becomes a user, forbids itself all other calls (EPERM) for good, and becomes the program: seccomp_init(3). */
const confine = `
import ctypes, os, sys
user, calls, program = int(sys.argv[1]), sys.argv[2].split(','), sys.argv[3:]
seccomp = ctypes.CDLL('libseccomp.so.2', use_errno=True)
seccomp.seccomp_init.restype = ctypes.c_void_p
allow, forbid = 0x7fff0000, 0x00050000 | 1
filter = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(forbid)))
for call in calls:
    number = seccomp.seccomp_syscall_resolve_name(call.encode())
    # Some belong to other kinds of processors.
    if number >= 0 and seccomp.seccomp_rule_add(filter, ctypes.c_uint32(allow), number, 0) != 0:
        sys.exit('seccomp_rule_add: ' + call)
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
if seccomp.seccomp_load(filter) != 0:
    sys.exit('seccomp_load')
os.execvp(program[0], program)
`;

/**
 * The command line before that of a program which is to run under such a filter.
 *
 * @param user who it becomes, where root starts it
 */
export function confinedTo(calls: ReadonlySet<string>, user: number): readonly string[] {
  return ['/usr/bin/python3', '-c', confine, String(user), [...calls].join(',')];
}
