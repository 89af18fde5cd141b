// A name server on loopback in a process of its own: the zone file's names, over real DNS.
//
//   node bench/yardsticks/name-server.ts ZONE_FILE
//
// Says where it listens in its first line on stdout. The line `questions` on stdin is answered by how many there were
// since it was asked that last. It ends with its stdin.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { NameServer, type Response } from '../../test/support/name-server.ts';
import { heard, say } from '../lines.ts';

const zone: Record<string, Record<string, string[]>> = parse(readFileSync(process.argv[2] ?? '', 'utf8'));
const responses: Record<string, Response> = {};
for (const [name, records] of Object.entries(zone)) {
  for (const [type, values] of Object.entries(records)) responses[`${type} ${name}`] = { values, ttl: 3600 };
}
await using server = await NameServer.start(responses);
say({ address: server.address });
for await (const line of heard()) {
  if (line === 'questions') say({ questions: server.questions.splice(0).length });
}
