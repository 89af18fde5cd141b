// The types of records that the checks ask for.

export const recordTypes = ['A', 'AAAA', 'CNAME', 'MX', 'PTR', 'TXT'] as const;
export type RecordType = (typeof recordTypes)[number];

/** @returns the type in upper case; undefined: no check would ask for it */
export function readType(text: string): RecordType | undefined {
  return recordTypes.find((type) => type === text.toUpperCase());
}
