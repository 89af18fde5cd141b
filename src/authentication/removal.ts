// Which fields of a message must not go on as they came: those that pretend to be ours (RFC 8601 §5).
import { normalizeAuthservId, readAuthservId } from './authserv-id.ts';

/** What an administrator says about fields of others; names are compared without regard to case. */
export interface RemovalOptions {
  /** Our own names: those of all listeners. */
  readonly authservIds: readonly string[];
  /** Names of others whose fields go too, their subdomains included. */
  readonly remove: readonly string[];
  /** Names of fields that are read like Authentication-Results. */
  readonly alsoIn: readonly string[];
  /** Whether each removed one stays as X-Received-Authentication-Results. */
  readonly keepRemoved: boolean;
}

/**
 * What stands in a field's place downstream.
 *
 * @param raw the field's bytes with its name
 * @returns undefined: the field as it is; an empty buffer: nothing
 */
export function rewrittenField(options: RemovalOptions, name: string, raw: Buffer): Buffer | undefined {
  if (name.trim().toLowerCase() !== 'authentication-results') return undefined;
  const body = raw.toString('latin1').replace(/^[ \t]*authentication-results[ \t]*:/i, '');
  const id = readAuthservId(body);
  return options.authservIds.some((own) => normalizeAuthservId(own) === id) ? Buffer.alloc(0) : undefined;
}
