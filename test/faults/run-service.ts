// A run with `postern serve` in processes of its own: killed, or out of descriptors, under load.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Served } from '../supervisor/support/served.ts';
import type { Setting, ToService } from './catalogue.ts';
import type { Dialogue } from './dialogue.ts';
import { FaultyDownstream } from './downstream.ts';
import { Faults } from './faults.ts';
import { holdings, stillHeld } from './holdings.ts';
import { acknowledged, judge, type Sent, type Verdict, type Violation } from './ledger.ts';
import { makeMail } from './mail.ts';
import { mistakesIn } from './mistakes.ts';
import type { Random } from './random.ts';
import { spoolFiles, whatStays } from './resources.ts';
import { makeSpool } from './spool-trouble.ts';
import { FaultyUpstream } from './upstream.ts';

const clients = 6;
const workers = 2;
/** As often something is done to the service in a run. */
const blows = 4;
/** How often more its descriptors are taken where nobody has noticed. */
const mostMore = 10;
/** The longest pause before a worker that died again is replaced, and what a start takes on a busy machine. */
const recoveryMs = 15_000;
/** Larger than what the spool keeps without a file: it too must be as before. */
const proofBytes = 10_000;
/** Longer than any limit of the service, on a busy machine. */
const answerMs = 30_000;
/** What a run may wait for anything. */
const longestMs = 60_000;
const nothing = { faults: [], rate: 0 } as const;
/**
 * While the service is down, another program that looks for a port may be given this one's, and hang whoever comes. On
 * an address of our own there is nobody else.
 */
const listen = `127.1.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}:0`;

/** @param messages how many are sent at least */
export async function runService(
  entry: ToService,
  setting: Setting,
  random: Random,
  dialogue: Dialogue,
  messages: number,
): Promise<Verdict> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-faults-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const violations: Violation[] = [];
  const broken = (claim: string) => violations.push({ claim, connections: [] });
  const { downstream: protocol, mode, envelope } = setting;
  const downstream = stack.use(
    await FaultyDownstream.start({
      name: 'down1',
      protocol,
      starttls: false,
      changing: false,
      faults: new Faults(nothing, random),
      random: random.fork('down1'),
      dialogue,
    }),
  );
  const spool = makeSpool(join(directory, 'spool'));
  const start = () =>
    Served.start([{ mode, envelope, listen, destinations: [downstream.destination] }], {
      workers,
      http: '127.0.0.1:0',
      spool: { directory: spool, memory: '4KiB' },
      ...(setting.checks
        ? {}
        : { checks: { iprev: false, spf: false, dkim: false, arc: false, dmarc: false } }),
    });
  let served = await start();
  const services = [served];
  stack.defer(() => served[Symbol.asyncDispose]());
  let port = served.port();
  const before = await holdings(served);
  const upstreams = Array.from(
    { length: clients },
    (_, i) =>
      new FaultyUpstream({
        ...setting,
        name: `up${i + 1}`,
        address: () => port,
        protocol: setting.upstream,
        starttls: false,
        mostRecipients: 3,
        perConnection: random.fork(`connection ${i}`).whole(1, 30),
        answerMs,
        faults: new Faults(nothing, random),
        random: random.fork(`up${i + 1}`),
        dialogue,
      }),
  );
  let made = 0;
  let running = true;
  const next = () => {
    if (!running) return undefined;
    made += 1;
    const chance = random.fork(`mail ${made}`);
    return makeMail(`m${made}x`, chance, chance.chance(0.2) ? chance.whole(10_000, 400_000) : 0);
  };
  const load = Promise.all(
    upstreams.map((upstream) => upstream.send(next).catch((error: unknown) => broken(String(error)))),
  );
  const chance = random.fork('time');
  const kills: number[] = [];
  const victims: number[] = [];
  for (let i = 1; i <= blows; i += 1) {
    await reached(
      () => made >= (messages * i) / (blows + 1) || upstreams.every((each) => each.violations.length > 0),
    );
    await new Promise((resolve) => setTimeout(resolve, chance.whole(0, 100)));
    dialogue.say('run', entry.what);
    if (entry.what === 'kill the service') {
      for (const pid of [served.pid, ...served.workers()]) process.kill(pid, 'SIGKILL');
      kills.push(performance.now());
      await served.ended();
      await served[Symbol.asyncDispose]();
      served = await start();
      services.push(served);
      port = served.port();
    } else if (entry.what === 'kill a worker') {
      const alive = () => mailWorkers(served).filter((pid) => !victims.includes(pid));
      await reached(() => alive().length > 0);
      const [first, second] = alive();
      const victim = chance.chance(0.5) ? first : (second ?? first);
      if (victim !== undefined) {
        process.kill(victim, 'SIGKILL');
        kills.push(performance.now());
        victims.push(victim);
      }
    } else {
      await takeDescriptors([served.pid, ...served.workers()], chance);
    }
  }
  // Who needs no descriptor just then goes on as before.
  const noticed = () => upstreams.some(({ refusals, sent }) => refusals.length > 0 || sent.some(isRefused));
  for (let more = 0; entry.what === 'take its descriptors' && more < mostMore && !noticed(); more += 1)
    await takeDescriptors([served.pid, ...served.workers()], chance);
  await reached(() => made >= messages);
  running = false;
  await load;
  await recover(upstreams, random, broken);
  await reached(() => mailWorkers(served).length === workers);
  if (mailWorkers(served).length !== workers)
    broken(`${mailWorkers(served).length} workers in place of ${workers}`);
  for (const what of await stillHeld(served, before)) broken(`left behind: ${what}`);
  const left = () => [
    ...readdirSync(spool),
    ...[served.pid, ...served.workers()].flatMap((pid) => spoolFiles(spool, pid)),
  ];
  for (const file of await whatStays(left, longestMs)) broken(`spool file left behind: ${file}`);
  const events = services.flatMap((each) => each.events);
  for (const event of mistakesIn(events)) broken(`log: ${event}`);
  const died = events.flatMap(({ event, pid }) => (event === 'worker died' ? [pid] : []));
  if (died.sort().join() !== victims.sort().join())
    broken(`killed: ${victims.join()}; as the log says: ${died.join()}`);
  const sent = upstreams.flatMap((upstream) => upstream.sent);
  const verdict = judge(sent, downstream.stored, kills);
  if (entry.what === 'take its descriptors' && !noticed())
    broken('without descriptors all went on as before');
  return {
    ...verdict,
    violations: [
      ...verdict.violations,
      ...violations,
      ...[...upstreams, downstream].flatMap((each) => each.violations),
    ],
  };
}

/** Whether it is over, and was not stored for all as far as upstream knows. */
function isRefused(message: Sent): boolean {
  return message.endedAt !== undefined && message.recipients.length > 0 && !acknowledged(message);
}

/** Waits, for as long as a run may take. */
async function reached(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + longestMs;
  while (!isSo() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** The processes through which mail passes; besides them there is one that serves HTTP. */
function mailWorkers(served: Served): readonly number[] {
  return served.workers().filter((pid) => /\/worker\.[jt]s/.test(readIfThere(`/proc/${pid}/cmdline`)));
}

/** @returns nothing of a process that has ended */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** For a while, processes have hardly more descriptors than they have open. */
async function takeDescriptors(pids: readonly number[], random: Random): Promise<void> {
  const limits = pids.map((pid) => {
    const [, soft = ''] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? [];
    const open = readdirSync(`/proc/${pid}/fd`).length;
    // Those that it has stay: with few, it gets none any more.
    limit(pid, String(random.pick([3, open, open + 4])));
    return { pid, soft };
  });
  await new Promise((resolve) => setTimeout(resolve, random.whole(100, 500)));
  for (const { pid, soft } of limits) limit(pid, soft);
}

/** The soft limit only: it can be lifted again. */
function limit(pid: number, descriptors: string): void {
  const { status } = spawnSync('prlimit', ['--pid', String(pid), `--nofile=${descriptors}:`], {
    stdio: 'ignore',
  });
  if (status !== 0) throw new Error('prlimit (of util-linux) is needed to take descriptors away');
}

/** One message through each upstream, within the time that a worker may take to be replaced. */
async function recover(
  upstreams: readonly FaultyUpstream[],
  random: Random,
  broken: (claim: string) => void,
): Promise<void> {
  const begun = performance.now();
  for (const [i, upstream] of upstreams.entries()) {
    let well = false;
    for (let attempt = 0; !well; attempt += 1) {
      const id = `after${i}-${attempt}x`;
      const last = await upstream.sendOne(makeMail(id, random.fork(id), proofBytes));
      well = last !== undefined && acknowledged(last);
      const passedMs = Math.round(performance.now() - begun);
      if (passedMs <= recoveryMs) continue;
      broken(`${well ? 'a late' : 'no'} message passes ${passedMs} ms after the fault`);
      return;
    }
  }
}
