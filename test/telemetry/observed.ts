// A proxy that has passed mail, as Prometheus sees it: over HTTP.
import { parse } from 'yaml';
import { startHttp } from '../../src/http/server.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { fakeObservatory } from '../http/fake-observatory.ts';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

const listener = 'test';

/** One message with a forged field, and one that the downstream does not take. */
async function passMail(proxy: RunningProxy): Promise<void> {
  using client = await RawClient.connect(proxy.address);
  await client.reply();
  const say = async (text: string) => {
    client.send(text);
    await client.reply();
  };
  await say('EHLO client.example\r\n');
  await say('MAIL FROM:<alice@example.com>\r\n');
  await say('RCPT TO:<bob@example.net>\r\n');
  await say('DATA\r\n');
  await say(
    'Authentication-Results: postern.example; spf=pass\r\nFrom: alice@example.com\r\nSubject: x\r\n\r\nHello\r\n.\r\n',
  );
  await say('MAIL FROM:<refused@example.com>\r\n');
  await say('QUIT\r\n');
}

/** What `/metrics` answers after some mail, and after all else has happened once that is counted. */
export async function observed(): Promise<string> {
  const metrics = new Metrics({ version: '1.2.3' });
  await using downstream = await ScriptedDownstream.start({
    answers: { MAIL: (line) => (line.includes('refused') ? '450 4.7.1 not now' : undefined) },
  });
  await using proxy = await RunningProxy.start({
    listener: { destinations: [downstream.destination] },
    settings: { policy: parse('{ rules: [{ name: all, when: {}, then: accept }] }') },
    zone: { 'example.com': { TXT: ['v=spf1 -all'] } },
    metrics,
  });
  await passMail(proxy);
  // What no mail brings about here: a seal needs a key, workers are the supervisor's.
  metrics.transactionEnded({
    listener,
    disposition: 'accept',
    sizeBytes: 0,
    replyClass: 'none',
    milliseconds: {},
    sealed: true,
  });
  metrics.dnsAnswered(3);
  metrics.workers(1);
  metrics.connectionPutOff('in', 'no_worker');
  metrics.workerRestarted();
  metrics.reloaded('success');
  const observatory = fakeObservatory({ metrics: () => metrics.text() });
  const server = await startHttp({ address: { host: '127.0.0.1', port: 0 }, observatory, log: silentLog });
  try {
    const response = await fetch(`http://${server.address}/metrics`);
    return await response.text();
  } finally {
    await server.close();
    metrics.close();
  }
}

/** One metric as it is told. */
export interface ToldMetric {
  readonly type: string;
  /** Of its samples; a histogram's `le` left out. */
  readonly labels: readonly string[];
  /** Names of its samples. */
  readonly samples: ReadonlySet<string>;
}

/** Reads Prometheus' text format, as far as ours goes. */
export function readMetrics(text: string): Map<string, ToldMetric> {
  const metrics = new Map<string, { type: string; labels: string[]; samples: Set<string> }>();
  let current: { type: string; labels: string[]; samples: Set<string> } | undefined;
  for (const line of text.split('\n')) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== undefined && type !== undefined) {
      current = { type, labels: [], samples: new Set() };
      metrics.set(name, current);
    }
    const [, sample, labels = ''] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (!current || sample === undefined) continue;
    current.samples.add(sample);
    for (const [, label = ''] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) {
      if (label !== 'le' && !current.labels.includes(label)) current.labels.push(label);
    }
  }
  return metrics;
}
