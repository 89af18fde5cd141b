// What an administrator calls the failures of DNS.

const texts: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such name (NXDOMAIN)',
  ENODATA: 'the name has no record of this type (NODATA)',
  ESERVFAIL: 'the name server failed (SERVFAIL)',
  ETIMEOUT: 'no answer in time',
  EREFUSED: 'the name server refused (REFUSED)',
  ECONNREFUSED: 'no name server listens there',
  EBADNAME: 'this is not a name that can be asked for',
};

/** @param code as node:dns has it */
export function describeFailure(code: string): string {
  return texts[code] ?? code;
}
