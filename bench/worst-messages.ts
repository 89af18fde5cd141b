// What hostile messages cost: CPU of each against that of an ordinary signed message of the same size.
//
//   npm run bench:worst
//
// The exit status is 1 when one costs more than 20 times as much, and more than 30 ms.
import { Authentication } from '../src/authentication/authentication.ts';
import { checksSchema } from '../src/authentication/checks.ts';
import { Resolver } from '../src/dns/resolver.ts';
import { parseZone } from '../src/dns/zone.ts';
import { HeaderCollector } from '../src/message/header-section.ts';
import { ordinary, type WorstCase, worstCases } from './worst-cases.ts';

const allowedRatio = 20;
/**
 * A small ordinary message takes a millisecond or two, and half of that is chance from one measurement to the
 * next: of a message of no more milliseconds than these the ratio alone says nothing.
 */
const allowedMs = 30;
const rounds = 7;
/** As the listener hands it on. */
const chunkBytes = 64 * 1024;

function authenticationFor(zone: WorstCase['zone']): Authentication {
  const parsed = parseZone(zone);
  if (Array.isArray(parsed)) throw new Error(`mistakes in the zone: ${parsed}`);
  return new Authentication({
    authservId: 'mx.example.org',
    hostname: 'mx.example.org',
    listener: 'bench',
    checks: checksSchema.parse({ 'x-google-dkim': {} }),
    customChecks: [],
    receivedSpf: false,
    networks: { local: [], trusted: [], map: [] },
    removal: { authservIds: ['mx.example.org'], remove: [], alsoIn: [], keepRemoved: false },
    resolver: new Resolver({
      timeoutMs: 1000,
      tries: 1,
      zone: parsed as ReadonlyMap<string, never>,
      zoneOnly: true,
      cache: { entries: 1000, maxAgeMs: 60_000, failureAgeMs: 1000 },
      transactionMs: 10_000,
    }),
    explain: false,
    report: (error) => {
      throw error;
    },
  });
}

async function once(authentication: Authentication, message: Buffer): Promise<void> {
  const run = authentication.begin({
    client: { ip: '192.0.2.10', helo: 'client.example.com' },
    smtputf8: false,
  });
  await run.mail('alice@example.com');
  const collector = new HeaderCollector(message.length);
  for (let at = 0; at < message.length; at += chunkBytes) {
    const piece = message.subarray(at, at + chunkBytes);
    const known = collector.complete;
    const headerBytes = collector.push(piece);
    if (!known && collector.complete) run.header(collector.section().fields);
    if (headerBytes < piece.length) await run.body(piece.subarray(headerBytes));
  }
  const { fields } = collector.section();
  if (!collector.complete) run.header(fields);
  const outcome = await run.finish();
  for (const { name, raw } of fields) outcome.rewrite(name, raw);
}

/** @returns milliseconds of CPU for one message: the median of the rounds */
async function measure({ message, zone }: WorstCase): Promise<number> {
  const authentication = authenticationFor(zone);
  const times: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const begun = process.cpuUsage();
    const count = round < 0 || message.length > 100_000 ? 1 : 5;
    for (let i = 0; i < count; i++) await once(authentication, message);
    const { user, system } = process.cpuUsage(begun);
    if (round >= 0) times.push((user + system) / 1000 / count);
  }
  return times.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0;
}

const cases = await worstCases();
const width = Math.max(...cases.map(({ name }) => name.length));
console.log(`${'message'.padEnd(width)}      kB    CPU ms  ordinary   ratio`);
let [worst, tooMuch] = [0, 0];
// The compiler of the runtime has to have seen everything once.
for (const each of [...cases, await ordinary(2_000_000)])
  await once(authenticationFor(each.zone), each.message);
for (const each of cases) {
  const ours = await measure(each);
  const theirs = await measure(await ordinary(each.message.length));
  const ratio = ours / theirs;
  worst = Math.max(worst, ratio);
  const numbers = [each.message.length / 1000, ours, theirs, ratio].map((n) => n.toFixed(1).padStart(8));
  const isTooMuch = ratio > allowedRatio && ours > allowedMs;
  if (isTooMuch) tooMuch++;
  console.log(`${each.name.padEnd(width)}${numbers.join('  ')}${isTooMuch ? '  too much' : ''}`);
}
const allowed = `${allowedRatio} times, or ${allowedMs} ms`;
console.log(`\nthe worst costs ${worst.toFixed(1)} times an ordinary one; allowed are ${allowed}`);
process.exitCode = tooMuch > 0 ? 1 : 0;
