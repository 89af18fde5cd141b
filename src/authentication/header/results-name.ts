// Names that a field with results may have: a field that means something else to somebody must not go or be written.
import { fieldName } from './fields.ts';

/** What such a name looks like, for the text of a mistake. */
export const resultsNameForm =
  'the name of a header field that begins with X- or ends with Authentication-Results, and is no other field of ours';

const resultsName = /^x-.|^(?:.+-)?authentication-results$/i;
/** The one is part of a seal (RFC 8617 §4.1.1), by the other mail is filed away. */
const others: ReadonlySet<string> = new Set(['arc-authentication-results', 'x-disposition-quarantine']);

/** Whether results may stand in a field of this name, and fields of this name be read as if they had some. */
export function isResultsName(name: string): boolean {
  return fieldName.test(name) && resultsName.test(name) && !others.has(name.toLowerCase());
}
