// A run whose Postern is in this process: faults, an end of the faults, and what must then be so again.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunningProxy, tlsFiles } from '../support/running-proxy.ts';
import type { InProcess, Setting } from './catalogue.ts';
import { ShiftedClock } from './clock.ts';
import type { Dialogue } from './dialogue.ts';
import { FaultyDownstream } from './downstream.ts';
import { Faults } from './faults.ts';
import { idle } from './holdings.ts';
import { acknowledged, judge, type Sent, type Verdict, type Violation } from './ledger.ts';
import { authservId, type Mail, makeMail } from './mail.ts';
import { mistakesIn } from './mistakes.ts';
import { FaultyNameServer } from './name-server.ts';
import type { Random } from './random.ts';
import { openFiles, spoolFiles, Watch, whatStays } from './resources.ts';
import { checkNames, isAfter } from './spf-results.ts';
import { makeSpool, SpoolTrouble } from './spool-trouble.ts';
import { FaultyUpstream } from './upstream.ts';

/** The longest back-off of these runs; within it, and what a machine under load takes, all is well again. */
const backoffMs = 500;
const graceMs = 2500;
const stopMs = 2000;
/** Longer than any limit below. */
const answerMs = 8000;
/** How long a final reply is waited for, the longest that a downstream can keep anybody waiting. */
const finalMs = 2000;
/** A larger message needs a file in the spool. */
const memoryBytes = 4096;
const clients = 4;
/** How long a question to a name server may take, and how long its failure is kept where anything is. */
const questionMs = 150;
const failureAgeMs = 200;
/** When no failure of a name server is left, not even of a question that was open when its fault ended. */
const failureMs = questionMs + failureAgeMs + 50;
/** After the fault, so many messages in a row must pass through each upstream. */
const proofs = 4;

/** @param messages how many are sent while things go wrong */
export async function runDialogue(
  entry: InProcess,
  setting: Setting,
  random: Random,
  dialogue: Dialogue,
  messages: number,
): Promise<Verdict> {
  using watch = new Watch();
  const directory = mkdtempSync(join(tmpdir(), 'postern-faults-'));
  try {
    const verdict = await play(entry, setting, random, dialogue, messages, directory, watch);
    const left = await watch.leftBehind();
    const claims = [...left.map((what) => `left behind: ${what}`), ...watch.warnings];
    const violations = claims.map((claim) => ({ claim, connections: [] }));
    return { ...verdict, violations: [...verdict.violations, ...violations] };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function play(
  entry: InProcess,
  setting: Setting,
  random: Random,
  dialogue: Dialogue,
  messages: number,
  directory: string,
  watch: Watch,
): Promise<Verdict> {
  await using stack = new AsyncDisposableStack();
  const violations: Violation[] = [];
  const broken = (claim: string) => violations.push({ claim, connections: [] });
  const downstreamFaults = new Faults(entry.downstream, random.fork('downstream faults'));
  const upstreamFaults = new Faults(entry.upstream, random.fork('upstream faults'));
  const downstreams: FaultyDownstream[] = [];
  for (let i = 1; i <= setting.destinations; i += 1) {
    const downstream = await FaultyDownstream.start({
      name: `down${i}`,
      protocol: setting.downstream,
      starttls: setting.startTlsOut,
      changing: setting.changing,
      faults: downstreamFaults,
      random: random.fork(`down${i}`),
      dialogue,
    });
    downstreams.push(stack.use(downstream));
  }
  let faulty = true;
  const nameChance = random.fork('names');
  const plan = entry.names;
  const names =
    plan &&
    stack.use(
      await FaultyNameServer.start(
        () => (faulty && nameChance.chance(plan.rate) ? nameChance.pick(plan.faults) : undefined),
        nameChance.fork('tcp'),
      ),
    );
  const clock = entry.clock ? stack.use(new ShiftedClock()) : undefined;
  const spool = makeSpool(join(directory, 'spool'));
  const trouble = entry.spool && stack.use(new SpoolTrouble(spool, entry.spool));
  // Postern has its listening socket besides.
  const descriptors = openFiles().length + 1;
  const proxy = stack.use(
    await RunningProxy.start({
      listener: listenerOf(setting, downstreams, entry.harmless ? '2s' : '500ms'),
      settings: settingsOf(setting, spool, names?.address, plan?.cached),
      zone,
      files: tlsFiles,
    }),
  );
  const upstreams = Array.from(
    { length: clients },
    (_, i) =>
      new FaultyUpstream({
        ...setting,
        name: `up${i + 1}`,
        address: () => proxy.address,
        protocol: setting.upstream,
        starttls: setting.startTlsIn,
        mostRecipients: 3,
        perConnection: random.fork(`connection ${i}`).whole(1, 12),
        answerMs,
        faults: upstreamFaults,
        random: random.fork(`up${i + 1}`),
        dialogue,
      }),
  );
  let made = 0;
  const make = (limit: number) => () => {
    if (made >= limit) return undefined;
    made += 1;
    const chance = random.fork(`mail ${made}`);
    const large = setting.large && chance.chance(trouble ? 0.5 : 0.2) ? chance.whole(10_000, 400_000) : 0;
    return makeMail(`m${made}x`, chance, large);
  };
  const chance = random.fork('time');
  const events = new AbortController();
  const restless = disturb(entry, downstreams, clock, chance, events.signal);
  const third = Math.floor(messages / 3);
  const sending = (limit: number) =>
    Promise.all(upstreams.map((upstream) => upstream.send(make(limit)).catch((error) => broken(`${error}`))));
  await sending(third);
  const troubledAt = performance.now();
  trouble?.begin();
  await sending(messages);
  // The fault ends.
  faulty = false;
  const healedAt = performance.now();
  trouble?.heal();
  events.abort();
  await restless;
  for (const downstream of downstreams) downstream.heal();
  for (const upstream of upstreams) upstream.heal();
  dialogue.say('run', '(the fault has ended)');
  if (plan) await new Promise((resolve) => setTimeout(resolve, failureMs));
  // What a spool in trouble is kept from is larger than what needs no file.
  await recover(upstreams, (id) => makeMail(id, random.fork(id), trouble ? 4 * memoryBytes : 0), broken);
  // Postern itself has to end what will never answer.
  const still = await whatStays(() => atWork(proxy, downstreams, spool, descriptors), finalMs + graceMs);
  for (const what of still) broken(`still at work: ${what}`);
  for (const what of await watch.listenedTo()) broken(`left behind: ${what}`);
  const begun = performance.now();
  await proxy[Symbol.asyncDispose]();
  const stoppedMs = performance.now() - begun;
  if (stoppedMs > stopMs + graceMs) broken(`stopping took ${Math.round(stoppedMs)} ms`);
  const files = readdirSync(spool);
  if (files.length > 0) broken(`spool files left behind: ${files.join(' ')}`);
  for (const event of mistakesIn(proxy.events)) broken(`log: ${event}`);
  if (entry.harmless) for (const upstream of upstreams) violations.push(...harmDone(upstream));
  if (downstreamFaults.missed || upstreamFaults.missed) broken('the fault never struck');
  const sent = upstreams.flatMap((upstream) => upstream.sent);
  const stored = downstreams.flatMap((downstream) => downstream.stored);
  if (trouble) {
    const during = sent.filter(({ begunAt }) => begunAt >= troubledAt && begunAt < healedAt);
    checkSpool(during, Math.max(memoryBytes, trouble.mostBytes), broken);
  }
  // An upstream with faults may hide whose message it is: nothing is asked of a local client.
  const forwarded = entry.upstream.faults.length === 0 ? stored : stored.filter(isAfter);
  if (plan) checkNames(plan.faults, { stored, forwarded }, broken);
  const verdict = judge(sent, stored);
  return {
    ...verdict,
    violations: [
      ...verdict.violations,
      ...violations,
      ...[...upstreams, ...downstreams].flatMap((each) => each.violations),
    ],
  };
}

const hourMs = 3_600_000;
/** How far the clock is set. Mostly back: each step forth is outdone by one back that is as likely. */
const steps = {
  'forth and back': [hourMs, -hourMs, 24 * hourMs, -24 * hourMs, 1000, -1000],
  'mostly back': [hourMs, -2 * hourMs, -hourMs, -24 * hourMs, 1000, -2000],
} as const;

/** What happens by itself, at any time. */
async function disturb(
  entry: InProcess,
  downstreams: readonly FaultyDownstream[],
  clock: ShiftedClock | undefined,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  if (!entry.restarts && !clock) return;
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, random.whole(5, 60)));
    if (entry.clock) clock?.step(random.pick(steps[entry.clock]));
    if (!entry.restarts) continue;
    for (const downstream of downstreams) {
      if (random.chance(0.5)) await downstream.restart(random.whole(0, 80));
    }
  }
}

/** Within the back-off all is well again, and stays so for everybody. */
async function recover(
  upstreams: readonly FaultyUpstream[],
  make: (id: string) => Mail,
  broken: (claim: string) => void,
): Promise<void> {
  const [first] = upstreams;
  if (!first) return;
  let made = 0;
  const passed = async (upstream: FaultyUpstream) => {
    made += 1;
    const last = await upstream.sendOne(make(`after${made}x`));
    return last !== undefined && acknowledged(last);
  };
  const begun = performance.now();
  const since = () => Math.round(performance.now() - begun);
  const limitMs = backoffMs + graceMs;
  let well = await passed(first);
  while (!well && since() <= limitMs) well = await passed(first);
  if (!well || since() > limitMs)
    broken(`${well ? 'the first' : 'no'} message passes ${since()} ms after the fault`);
  if (!well) return;
  for (let i = 0; i < proofs; i += 1) {
    for (const upstream of upstreams) {
      if (!(await passed(upstream))) broken(`message after${made}x did not pass, after one before it had`);
    }
  }
}

/** What an upstream was refused, or got no answer to. */
function harmDone({ refusals, sent }: FaultyUpstream): readonly Violation[] {
  const failed = sent.filter((message) => !acknowledged(message));
  return [
    ...refusals.map((each) => ({ ...each, claim: `for a harmless fault ${each.claim}` })),
    ...failed.map(({ id, connection }) => ({
      claim: `${id}: not acknowledged for a harmless fault`,
      connections: [connection],
    })),
  ];
}

/**
 * What Postern holds besides idle connections; of these, both ends are in this process.
 *
 * @param descriptors how many there are without any connection
 */
function atWork(
  proxy: RunningProxy,
  downstreams: readonly FaultyDownstream[],
  spool: string,
  descriptors: number,
): readonly string[] {
  const { listeners, spool: kept } = proxy.status;
  const busy = listeners.some(
    ({ connections, pool }) => connections > 0 || pool.busy > 0 || pool.waiting > 0 || pool.idle > pool.size,
  );
  const pooled = idle({ listeners });
  const downstream = downstreams.reduce((sum, { open }) => sum + open, 0);
  const open = openFiles();
  return [
    ...(busy || kept.messages > 0 || kept.memoryBytes > 0 || kept.diskBytes > 0
      ? [JSON.stringify({ listeners, spool: kept })]
      : []),
    ...(downstream > pooled ? [`${downstream} connections downstream, ${pooled} of them in the pool`] : []),
    ...(open.length > descriptors + 2 * pooled
      ? [`${open.length} descriptors with ${pooled} idle connections, at the beginning ${descriptors}`]
      : []),
    ...spoolFiles(spool),
  ];
}

/**
 * What the spool cannot take is put off.
 *
 * @param mostBytes no message that is larger can pass
 */
function checkSpool(sent: readonly Sent[], mostBytes: number, broken: (claim: string) => void): void {
  const large = sent.filter(({ sizeBytes, recipients }) => sizeBytes > mostBytes && recipients.length > 0);
  if (large.length === 0) broken('no message was too large for the spool');
  for (const { id, sizeBytes, recipients } of large) {
    for (const { final = 'no reply' } of recipients) {
      if (!final.startsWith('4')) broken(`${id} of ${sizeBytes} bytes did not fit, but got: ${final}`);
    }
  }
}

const zone = {
  'known.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'], MX: ['10 mail.known.example'] },
  'mail.known.example': { A: ['192.0.2.1'] },
  '1.2.0.192.in-addr.arpa': { PTR: ['mail.known.example'] },
  '_dmarc.known.example': { TXT: ['v=DMARC1; p=reject'] },
  'fail.example': { TXT: ['v=spf1 -all'] },
  '_dmarc.broken.example': { TXT: 'SERVFAIL' },
  'broken.example': { TXT: 'SERVFAIL' },
};

const noChecks = {
  iprev: false,
  auth: false,
  'x-tls': false,
  spf: false,
  dkim: false,
  arc: false,
  dmarc: false,
};

/** @param patience how long downstream may take for a reply, but for the last */
function listenerOf(setting: Setting, downstreams: readonly FaultyDownstream[], patience: string) {
  return {
    mode: setting.mode,
    envelope: setting.envelope,
    destinations: downstreams.map(({ destination }) => destination),
    ...(setting.startTlsIn && { tls: { certificate: './tls.crt', key: './tls.key' } }),
    pool: {
      size: 6,
      idle: '2s',
      transactions: setting.transactions,
      wait: '1s',
      backoff: '50ms',
      backoffMax: `${backoffMs}ms`,
      checkAfter: setting.checkAlive ? '0s' : '5s',
    },
    timeouts: {
      connect: patience,
      greeting: patience,
      hello: patience,
      mail: patience,
      rcpt: patience,
      data: patience,
      content: patience,
      final: `${finalMs}ms`,
    },
    limits: { idle: '700ms', transaction: '5s', answer: '4s' },
  };
}

function settingsOf(setting: Setting, directory: string, server: string | undefined, cached = false) {
  return {
    authservId,
    spool: { directory, memory: `${memoryBytes}B` },
    checks: setting.checks ? {} : noChecks,
    stopTimeout: `${stopMs}ms`,
    dns: server
      ? {
          servers: [server],
          timeout: `${questionMs}ms`,
          tries: 1,
          transaction: '600ms',
          cache: cached
            ? { maxAge: '100ms', failureAge: `${failureAgeMs}ms` }
            : { maxAge: '0s', failureAge: '0s' },
        }
      : { zone: './zone.yaml', zoneOnly: true },
  };
}
