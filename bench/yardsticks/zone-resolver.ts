// Postern's own resolver with a zone file, for those who measure what the checks cost without Postern.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { Resolver } from '../../src/dns/resolver.ts';
import { parseZone, type Zone } from '../../src/dns/zone.ts';

/** @param file a zone file @throws {Error} when it has mistakes */
export function zoneResolver(file: string): Resolver {
  const zone = parseZone(parse(readFileSync(file, 'utf8')));
  if (Array.isArray(zone)) throw new Error(`mistakes in ${file}: ${zone.join('; ')}`);
  return new Resolver({
    timeoutMs: 1000,
    tries: 1,
    zone: zone as Zone,
    zoneOnly: true,
    cache: { entries: 1000, maxAgeMs: 60_000, failureAgeMs: 1000 },
    transactionMs: 10_000,
  });
}
