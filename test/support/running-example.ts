// A proxy from a file that is shipped: as it stands, but with ports, names and downstreams of the test.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadConfiguration } from '../../src/config/load.ts';
import { parseYaml } from '../../src/config/source.ts';
import { Proxy as PosternProxy } from '../../src/proxy.ts';
import type { Log } from '../../src/telemetry/log.ts';
import type { ClientAddress } from './running-proxy.ts';
import { ScriptedDownstream } from './scripted-downstream.ts';

/** One front door of it. */
export interface ExampleDoor {
  readonly name: string;
  readonly address: ClientAddress;
  readonly authservId: string;
  readonly downstream: ScriptedDownstream;
}

type Mapping = Readonly<Record<string, unknown>>;

/** Runs until it is disposed of, with a downstream of its own for each listener. */
export class RunningExample implements AsyncDisposable {
  readonly doors: readonly ExampleDoor[];
  readonly #stack: AsyncDisposableStack;

  private constructor(doors: readonly ExampleDoor[], stack: AsyncDisposableStack) {
    this.doors = doors;
    this.#stack = stack;
  }

  /** @param environment for the references in the file */
  static async start(file: string, environment: NodeJS.ProcessEnv = {}): Promise<RunningExample> {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'postern-example-'));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const example = parseYaml(file, await readFile(file, 'utf8'), environment).value as {
      readonly listeners: readonly (Mapping & { readonly destinations: readonly string[] })[];
    };
    const downstreams = await Promise.all(
      example.listeners.map(({ destinations: [first = ''] }) =>
        ScriptedDownstream.start({ protocol: first.startsWith('lmtp') ? 'lmtp' : 'smtp' }),
      ),
    );
    for (const downstream of downstreams) stack.use(downstream);
    const listeners = example.listeners.map((listener, i) => ({
      ...listener,
      listen: '127.0.0.1:0',
      destinations: [downstreams[i]?.destination],
    }));
    const local = {
      dns: { zone: '/dev/null', zoneOnly: true },
      spool: { directory },
      http: false,
      workers: 1,
    };
    const copy = join(directory, 'postern.yaml');
    await writeFile(copy, stringify({ ...example, ...local, listeners }));
    const configuration = loadConfiguration({ file: copy, environment: {} });
    const proxy = new PosternProxy(configuration, silence);
    await proxy.start();
    stack.defer(() => proxy.stop());
    const doors = configuration.listeners.flatMap(({ name, authservId }, i): ExampleDoor[] => {
      const port = Number(/:(\d+)$/.exec(proxy.addresses.get(name) ?? '')?.[1]);
      const downstream = downstreams[i];
      return downstream ? [{ name, authservId, downstream, address: { host: '127.0.0.1', port } }] : [];
    });
    return new RunningExample(doors, stack.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const nothing = (): void => undefined;
const silence: Log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
