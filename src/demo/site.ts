// The demo's site: Postern in both modes between a client and a downstream, on loopback, in a directory of its own.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadConfiguration } from '../config/load.ts';
import { Proxy as PosternProxy } from '../proxy.ts';
import type { Log } from '../telemetry/log.ts';
import { makeDomain, makeZone } from './domains.ts';
import { type Delivery, DemoDownstream } from './downstream.ts';
import { type DemoMessage, type DemoMode, makeMessages, modes } from './messages.ts';

const authservId = 'mx.postern.example';

export interface DemoSiteOptions {
  /** Where each mode listens, `host:port`. */
  readonly listen: Readonly<Record<DemoMode, string>>;
  readonly log: Log;
  /** Told of each message that arrives downstream. */
  readonly arrived?: (delivery: Delivery) => void;
}

export class DemoSite {
  readonly directory: string;
  readonly messages: readonly DemoMessage[];
  readonly #proxy: PosternProxy;
  readonly #downstream: DemoDownstream;

  private constructor(
    directory: string,
    messages: readonly DemoMessage[],
    proxy: PosternProxy,
    downstream: DemoDownstream,
  ) {
    this.directory = directory;
    this.messages = messages;
    this.#proxy = proxy;
    this.#downstream = downstream;
  }

  /** Makes keys, zone and configuration, and starts everything; `stop` gives it all back. */
  static async start(options: DemoSiteOptions): Promise<DemoSite> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-demo-'));
    const downstream = new DemoDownstream(directory, options.arrived);
    try {
      const port = await downstream.start();
      const bank = makeDomain('bank.example');
      const roses = makeDomain('roses.example');
      const garden = makeDomain('garden.example');
      const messages = await makeMessages({ bank, roses, garden }, authservId);
      for (const { file, bytes } of messages) await writeFile(join(directory, file), bytes);
      await writeFile(join(directory, 'zone.yaml'), stringify(makeZone([bank, roses, garden])));
      const file = join(directory, 'postern.yaml');
      await writeFile(file, stringify(configurationFile(directory, port, options.listen)));
      const proxy = new PosternProxy(loadConfiguration({ file, environment: {} }), options.log);
      await proxy.start();
      return new DemoSite(directory, messages, proxy, downstream);
    } catch (error) {
      await downstream.stop();
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** `host:port` of a listener. */
  address(mode: DemoMode): string {
    return this.#proxy.addresses.get(mode) ?? '';
  }

  /** Takes what has arrived downstream since the last call. */
  take(): Delivery[] {
    return this.#downstream.take();
  }

  async stop(): Promise<void> {
    await this.#proxy.stop();
    await this.#downstream.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function configurationFile(directory: string, port: number, listen: DemoSiteOptions['listen']): unknown {
  return {
    hostname: authservId,
    listeners: modes.map((mode) => ({
      name: mode,
      listen: listen[mode],
      mode,
      destinations: [`smtp://127.0.0.1:${port}`],
    })),
    // Nobody is at home here: a client on loopback (swaks) is judged like any other.
    networks: { local: [] },
    dns: { zone: './zone.yaml', zoneOnly: true },
    policy: { dmarc: 'reject' },
    spool: { directory },
    http: false,
    workers: 1,
  };
}
