// The program's exit statuses, as in sysexits(3): one table for all commands.

/** Exit statuses; docs/cli.md says for each command which of them it has. */
export const exits = {
  ok: 0,
  /** The command line was wrong. */
  usage: 64,
  /** What was to be read is there, and is not what it should be. */
  data: 65,
  /** What was to be read is not there, or cannot be read. */
  noInput: 66,
  /** The host cannot be reached. */
  noHost: 68,
  /** The service refused, and will refuse again. */
  unavailable: 69,
  /** A mistake in the program itself. */
  software: 70,
  /** The operating system refused something: an address, a socket. */
  system: 71,
  /** The file that was asked for cannot be made. */
  cannotCreate: 73,
  /** The answer cannot be written. */
  output: 74,
  /** Trying again later may succeed. */
  temporary: 75,
  /** The other side did not keep to the protocol, or went away. */
  protocol: 76,
  permission: 77,
  configuration: 78,
} as const;
