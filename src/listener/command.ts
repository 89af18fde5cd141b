// A command line's parts, and what is said to one that has none (RFC 5321 §4.1.1, §4.2.2).
import { withoutFinalBlanks } from '../smtp/blanks.ts';
import { controlCharacter, type PathArgument, parsePathArgument, unofferedParameter } from '../smtp/path.ts';
import { makeReply, type Reply } from '../smtp/reply.ts';

export interface Command {
  /** In capitals. */
  readonly verb: string;
  /** What follows it, without blanks around it. */
  readonly text: string;
}

export const unknown = makeReply(500, '5.5.2', 'unknown command');
export const syntaxError = (text: string) => makeReply(501, '5.5.4', text);

/**
 * Reads a command line.
 *
 * @param line latin1, without its line end
 * @returns its parts, or why it has none
 */
export function readCommand(line: string): Command | Reply {
  // Blanks before the verb: Postfix takes them from its client, and passes them on before the queue.
  const [, verb = '', argument = ''] = /^[ \t]*([A-Za-z]*)(.*)$/s.exec(withoutFinalBlanks(line)) ?? [];
  // They have no place in any command, and would end up in logs or, as a bare CR, split a line downstream.
  if (controlCharacter.test(line)) return syntaxError('control character in command');
  // A verb ends at a blank or with the line; anything else is no verb of ours.
  if (argument !== '' && !/^[ \t]/.test(argument)) return unknown;
  // The end of the line is without blanks already; U+00A0 is none, but half of a character in UTF-8.
  return { verb: verb.toUpperCase(), text: argument.replace(/^[ \t]+/, '') };
}

/**
 * Reads what follows MAIL or RCPT: `FROM:<path> parameters`.
 *
 * @param offered keywords of the reply to EHLO
 * @returns path and parameters, or what is said to a mistake in them
 */
export function readPath(
  verb: 'MAIL' | 'RCPT',
  text: string,
  offered: ReadonlySet<string>,
): PathArgument | Reply {
  const keyword = verb === 'MAIL' ? 'FROM' : 'TO';
  const colon = text.indexOf(':');
  if (
    colon < 0 ||
    !/^[ \t]*$/.test(text.slice(keyword.length, colon)) ||
    text.slice(0, keyword.length).toUpperCase() !== keyword
  ) {
    return syntaxError(`syntax: ${verb} ${keyword}:<address>`);
  }
  const path = parsePathArgument(text.slice(colon + 1));
  if (typeof path === 'string') return syntaxError(`${verb}: ${path}`);
  const parameter = unofferedParameter(verb, path.parameters, offered);
  if (parameter !== undefined)
    return makeReply(555, '5.5.4', `${verb} parameter ${parameter} is not offered`);
  if (verb === 'RCPT' && path.address === '') return syntaxError('RCPT needs an address');
  return path;
}
