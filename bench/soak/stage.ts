// Everything that a soak needs, running: sinks, name server, Postern between them, load generators before it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunResult } from '../load/run.ts';
import { Child } from '../site/child.ts';
import { Material } from '../site/material.ts';
import { Service } from './service.ts';
import { SoakSink } from './sinks.ts';
import { beside, type Pace, Stream, streams } from './streams.ts';

export interface Stage extends AsyncDisposable {
  readonly directory: string;
  readonly smtp: SoakSink;
  readonly lmtp: SoakSink;
  readonly names: Child;
  readonly service: Service;
  readonly streams: readonly Stream[];
  /** Does not pass Postern. */
  readonly control: Stream;
  /** Sends, until the time is over and all is answered. */
  run(stream: Stream, pace: Pace): Promise<RunResult>;
}

export async function setStage(): Promise<Stage> {
  await using building = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'postern-soak-'));
  building.defer(() => rmSync(directory, { recursive: true, force: true }));
  const material = new Material(directory);
  const sink = async (name: string, protocol: 'smtp' | 'lmtp', strict: boolean) =>
    building.use(await SoakSink.start(protocol, join(directory, `${name}.stored`), strict));
  const smtp = await sink('smtp', 'smtp', true);
  const lmtp = await sink('lmtp', 'lmtp', true);
  const aside = await sink('beside', 'smtp', false);
  const names = building.use(new Child('soak/name-server.ts', material.zoneFile));
  const { address } = await names.hear<{ address: string }>();
  const service = building.use(
    await Service.start({ directory, smtpPort: smtp.port, lmtpPort: lmtp.port, names: address }),
  );
  const all = streams.map((plan) => building.use(new Stream(plan, directory)));
  const control = building.use(new Stream(beside, directory));
  const stack = building.move();
  return {
    directory,
    smtp,
    lmtp,
    names,
    service,
    streams: all,
    control,
    run: (stream, pace) => {
      const { to } = stream.plan;
      return stream.run(material, to === 'beside' ? `127.0.0.1:${aside.port}` : service.address(to), pace);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
