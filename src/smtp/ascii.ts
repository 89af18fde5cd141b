// What is ASCII (RFC 20): text that every mail server can read, and that needs no conversion.

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them.
const ascii = /^[\x00-\x7f]*$/;
const printable = /^[\x20-\x7e]*$/;

/** Whether all characters are ASCII, control characters included. */
export function isAscii(text: string): boolean {
  return ascii.test(text);
}

/** Whether all characters are ASCII and none of them a control character. */
export function isPrintableAscii(text: string): boolean {
  return printable.test(text);
}

/**
 * What an SMTP dialogue said, as characters: its bytes are UTF-8 (RFC 6531).
 *
 * @param text one character per byte
 * @returns the text itself where that is not so: of other bytes, or with other characters
 */
export function toUnicode(text: string): string {
  if (isAscii(text)) return text;
  const bytes = Buffer.from(text, 'latin1');
  const characters = bytes.toString('utf8');
  return bytes.toString('latin1') === text && !characters.includes('\ufffd') ? characters : text;
}
