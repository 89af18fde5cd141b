// The Received field that the upstream itself wrote on top: how the client logged in, and its TLS (RFC 5321 §4.4).
import type { Client, HeaderField } from './check.ts';

/** Who hands the message over, as far as it is believed. */
export interface Upstream {
  /** What it called itself in EHLO or LHLO: Postfix uses the same name for `by`. */
  readonly helo?: string;
  /** Its queue id, from XFORWARD IDENT. */
  readonly queueId?: string;
}

/** What that field says. */
export interface UpstreamReceived {
  /** The client logged in (RFC 3848: the A of ESMTPA); its login name where the field tells it. */
  readonly authenticated?: { readonly name?: string };
  /** RFC 3848: the S of ESMTPS, and what Postfix's comment says of it. */
  readonly tls?: {
    readonly version?: string;
    readonly cipher?: string;
    readonly bits?: string;
    /** Common name of a verified client certificate. */
    readonly clientName?: string;
  };
}

/**
 * Reads the topmost Received, when it can only be the upstream's.
 *
 * @param header the message's fields from the top
 * @param client as the upstream told it
 */
export function readUpstreamReceived(
  _header: readonly HeaderField[],
  _client: Client,
  _upstream: Upstream,
): UpstreamReceived | undefined {
  return undefined;
}
