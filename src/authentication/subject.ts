// What is judged: the client, how far it is trusted, and the fields of the message.
import { toUnicode } from '../smtp/ascii.ts';

/** Whose message is judged; what is unknown (XFORWARD's [UNAVAILABLE]) is undefined. */
export interface Client {
  readonly ip?: string;
  /** Its name as the upstream found it; the checks find out their own. */
  readonly name?: string;
  /** What it said in HELO or EHLO. */
  readonly helo?: string;
}

/** A client with the parts that are known. */
export function clientOf({
  ip,
  name,
  helo,
}: { readonly [Part in keyof Client]: string | undefined }): Client {
  return {
    ...(ip !== undefined && { ip }),
    ...(name !== undefined && { name }),
    ...(helo !== undefined && { helo }),
  };
}

/** A client as characters, whose names were one character per byte as the dialogue has them. */
export function clientInUnicode({ ip, name, helo }: Client): Client {
  return clientOf({ ip, name: name && toUnicode(name), helo: helo && toUnicode(helo) });
}

/**
 * How far a client is trusted: `authenticated`, it logged in at the upstream; `trusted` and `local`,
 * it is on a network that is configured so; `unknown`, its address is not known; `stranger`, all others.
 */
export type ClientClass = 'authenticated' | 'trusted' | 'local' | 'unknown' | 'stranger';

/** One field of the message's header section. */
export interface HeaderField {
  /** As sent; '' for a line that is no field. */
  readonly name: string;
  /** All bytes of the field: name, colon, body, folding, line end. */
  readonly raw: Buffer;
}
