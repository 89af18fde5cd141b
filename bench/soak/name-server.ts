// A name server in a process of its own that has bad times: it says what a zone file says, late, or that it cannot.
//
//   node bench/soak/name-server.ts ZONE_FILE
//
// Says where it listens in its first line on stdout. The lines `calm`, `slow` and `fail` on stdin say how it is from
// then on; each is answered by the number of questions so far. It ends with its stdin.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { NameServer, type Response } from '../../test/support/name-server.ts';
import { heard, say } from '../lines.ts';

/** How late an answer is at most in slow times. */
const lateMs = 200;
/** So that resolvers ask again. */
const ttl = 5;

const zone: Record<string, Record<string, string[]>> = parse(readFileSync(process.argv[2] ?? '', 'utf8'));
const good: [string, Response][] = Object.entries(zone).flatMap(([name, records]) =>
  Object.entries(records).map(([type, values]): [string, Response] => [`${type} ${name}`, { values, ttl }]),
);
const bad = good.map(([question], i): [string, Response] => [
  question,
  i % 2 === 0 ? { code: 'SERVFAIL' } : 'silent',
]);
let asked = 0;

await using server = await NameServer.start(Object.fromEntries(good));
say({ address: server.address });
let slow: NodeJS.Timeout | undefined;
for await (const line of heard()) {
  clearInterval(slow);
  server.release();
  for (const [question, response] of line === 'fail' ? bad : good) server.responses.set(question, response);
  if (line === 'slow') {
    server.hold();
    slow = setInterval(() => {
      server.release();
      server.hold();
    }, lateMs);
  }
  // It keeps every question, which is for short tests.
  asked += server.questions.splice(0).length;
  say({ asked });
}
clearInterval(slow);
