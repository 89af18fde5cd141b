// Yardstick: mailauth's authenticate() called in a loop on one message, with the checks that Postern has by default.
//
//   node bench/yardsticks/bare-authenticate.ts ZONE_FILE
//
// Every line on stdin, `{"file": "a.eml", "seconds": 1}`, is answered by what a call costs.
import { readFileSync } from 'node:fs';
import { authenticate, type DNSResolver } from 'mailauth';
import { z } from 'zod';
import { idField } from '../ledger.ts';
import { heard, say } from '../lines.ts';
import { envelope } from '../site/material.ts';
import { median, percentile } from '../statistics.ts';
import { zoneResolver } from './zone-resolver.ts';

const { resolve } = zoneResolver(process.argv[2] ?? '');
const options = {
  ip: envelope.ip,
  helo: envelope.helo,
  sender: envelope.sender,
  mta: 'mx.example.org',
  resolver: resolve as DNSResolver,
  strict: true,
  disableBimi: true,
};

async function call(message: Buffer): Promise<void> {
  const { dkim, spf, dmarc } = await authenticate(message, options);
  const results = [dkim.results[0], spf || undefined, dmarc || undefined].map((each) => each?.status.result);
  if (!results.every((result) => result === 'pass')) throw new Error(`not all pass: ${results}`);
}

const taskSchema = z.strictObject({ file: z.string(), seconds: z.number() });
let last = '';
say({});
for await (const line of heard()) {
  const { file, seconds } = taskSchema.parse(JSON.parse(line));
  const message = Buffer.concat([Buffer.from(`${idField}m-1\r\n`), readFileSync(file)]);
  // The compiler of the runtime has to have seen everything.
  const warmUntil = performance.now() + (last === file ? 50 : 300);
  do await call(message);
  while (performance.now() < warmUntil);
  last = file;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const times: number[] = [];
  do {
    const at = performance.now();
    await call(message);
    times.push(performance.now() - at);
  } while (performance.now() - begun < seconds * 1000);
  const wallMs = (performance.now() - begun) / times.length;
  const { user, system } = process.cpuUsage(cpu);
  say({
    calls: times.length,
    wallMs,
    p50Ms: median(times),
    p95Ms: percentile(times, 95),
    p99Ms: percentile(times, 99),
    cpuMs: (user + system) / 1000 / times.length,
  });
}
