// The first flight of a TLS handshake, of either side: sent in part, the other side waits for the rest.

/** A record that holds a whole message of a handshake (RFC 8446 §4, §5.1): latin1. */
const flight = (type: string) => `\x16\x03\x03\x00\x7a${type}\x00\x00\x76\x03\x03${'r'.repeat(116)}`;

export const clientHello = flight('\x01');
export const serverHello = flight('\x02');
