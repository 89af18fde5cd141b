// What upstream said together with MAIL (RFC 2920): dialogue, transaction and delivery speak of it.

/** What came together with MAIL, and goes downstream with it where the downstream lets us (RFC 2920). */
export interface Pipelined {
  /** RCPT lines that will be asked for next, in order. */
  readonly recipients: readonly string[];
  /** Whether DATA follows them; not without a recipient. */
  readonly data: boolean;
}

/** MAIL comes by itself. */
export const alone: Pipelined = { recipients: [], data: false };
