// xtext: how a parameter's value carries any byte in printable ASCII (RFC 3461 §4).

/** Most values: what is written stands for itself. */
const plain = /^[\x21-\x2a\x2c-\x7e]*$/;

/**
 * Decodes xtext.
 *
 * @returns the value, a latin1 string (one character per byte); undefined where the syntax is wrong
 */
export function decodeXtext(text: string): string | undefined {
  if (plain.test(text)) return text;
  // Postfix sends UTF-8 as it is under SMTPUTF8, and `=` always: both stand for themselves.
  if (!/^(?:[\x21-\x2a\x2c-\x7e\x80-\xff]|\+[0-9A-Fa-f]{2})*$/.test(text)) return undefined;
  return text.replace(/\+([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/**
 * Encodes a value as xtext.
 *
 * @param value latin1 string, one character per byte
 */
export function encodeXtext(value: string): string {
  return value.replace(
    /[^\x21-\x2a\x2c-\x3c\x3e-\x7e]/g,
    (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
