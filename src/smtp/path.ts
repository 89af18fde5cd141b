// The arguments of MAIL and RCPT: a path and ESMTP parameters, kept as they were sent (RFC 5321 §4.1.2).

/** What has no place in any command line: all control characters but the tab. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
export const controlCharacter = /[\x00-\x08\x0a-\x1f\x7f]/;

/** One ESMTP parameter; `value` is what follows `=`, still encoded, or undefined without one. */
export interface Parameter {
  readonly keyword: string;
  readonly value: string | undefined;
}

/** The argument of `MAIL FROM:` or `RCPT TO:`, latin1. */
export interface PathArgument {
  /** Everything after the colon, byte for byte. */
  readonly text: string;
  /** The path without angle brackets, blanks around it and a source route; '' for the null reverse-path. */
  readonly address: string;
  /** Keywords in upper case. */
  readonly parameters: readonly Parameter[];
}

/** A quoted local part may hold any character, `>` and blanks included (RFC 5321 §4.1.2). */
const piece = String.raw`(?:"(?:[^"\\]|\\.)*"|[^"<> \t])`;
const argument = new RegExp(String.raw`^[ \t]*(?:<[ \t]*(${piece}*)[ \t]*>|(${piece}+))(?:[ \t]+(.*))?$`);

/**
 * Reads what follows `FROM:` or `TO:`.
 *
 * Before the queue Postfix passes on what its client said, and it takes blanks around a path and one without angle
 * brackets, as scanners and scripts send it: whether that will do, and the addresses, are for the downstream to judge.
 *
 * @param text latin1, without the line end
 * @returns the argument, or a string that says what is wrong
 */
export function parsePathArgument(text: string): PathArgument | string {
  if (controlCharacter.test(text)) return 'control character in the path';
  const match = argument.exec(text);
  if (!match) return 'a path like <user@example.com> was expected';
  const [, bracketed, bare = '', rest = ''] = match;
  const parameters: Parameter[] = [];
  const keywords = new Set<string>();
  for (const word of rest.split(/[ \t]+/)) {
    if (word === '') continue;
    const parameter = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=]+.*))?$/.exec(word);
    if (parameter?.[1] === undefined) return `bad parameter ${word}`;
    const keyword = parameter[1].toUpperCase();
    if (keywords.has(keyword)) return `parameter ${keyword} given twice`;
    keywords.add(keyword);
    parameters.push({ keyword, value: parameter[2] });
  }
  // RFC 5321 appendix C: a source route is accepted and ignored.
  const address = (bracketed ?? bare).replace(/^@[^:"]*:/, '');
  return { text, address, parameters };
}

/** The extension that defines a parameter of MAIL or RCPT, by keyword. */
const extensionOf: Readonly<Record<'MAIL' | 'RCPT', Readonly<Record<string, string>>>> = {
  MAIL: { SIZE: 'SIZE', BODY: '8BITMIME', SMTPUTF8: 'SMTPUTF8', RET: 'DSN', ENVID: 'DSN' },
  RCPT: { NOTIFY: 'DSN', ORCPT: 'DSN' },
};

/**
 * The first parameter whose extension was not offered: 555 5.5.4 (RFC 5321 §4.1.1.11).
 *
 * @param verb whose parameters they are
 * @param offered keywords of our own EHLO reply, upper case
 * @returns its keyword, with its value where that one alone was not, or undefined when all are allowed
 */
export function unofferedParameter(
  verb: 'MAIL' | 'RCPT',
  parameters: readonly Parameter[],
  offered: { has(keyword: string): boolean },
): string | undefined {
  for (const { keyword, value } of parameters) {
    // RFC 4954 §5: without authentication it means nothing. Before the queue Postfix passes on that of its own clients.
    if (verb === 'MAIL' && keyword === 'AUTH') continue;
    const extension = extensionOf[verb][keyword];
    if (extension === undefined || !offered.has(extension)) return keyword;
    // RFC 6152 §3 knows these two values; BINARYMIME needs BDAT, which is not offered.
    if (keyword === 'BODY' && !/^(?:7BIT|8BITMIME)$/i.test(value ?? '')) return `BODY=${value ?? ''}`;
  }
  return undefined;
}
