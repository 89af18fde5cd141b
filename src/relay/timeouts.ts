// How long each step of a downstream conversation may take.

/** Milliseconds for each step. */
export interface Timeouts {
  /** TCP or UNIX-socket connection. */
  readonly connect: number;
  /** TLS handshake. */
  readonly tls: number;
  readonly greeting: number;
  /** EHLO, LHLO, HELO and STARTTLS. */
  readonly ehlo: number;
  readonly xforward: number;
  readonly mail: number;
  readonly rcpt: number;
  readonly data: number;
  /** One block of the message taken by the downstream. */
  readonly content: number;
  /** Each reply after the final dot. */
  readonly endOfData: number;
  /** While a session is tidied up its place in the pool is taken; to close it instead costs nothing. */
  readonly rset: number;
  readonly quit: number;
}

/** RFC 5321 §4.5.3.2 where it names a time; where it does not, what no living server needs. */
export const defaultTimeouts: Timeouts = {
  connect: 30_000,
  tls: 30_000,
  greeting: 300_000,
  ehlo: 300_000,
  xforward: 300_000,
  mail: 300_000,
  rcpt: 300_000,
  data: 120_000,
  content: 180_000,
  endOfData: 600_000,
  rset: 5_000,
  quit: 1_000,
};
