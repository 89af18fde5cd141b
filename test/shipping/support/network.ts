// A network with machines on it, each with an address of its own: network namespaces on a bridge, for tests that run alone.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file that tells a test file that it has namespaces of its own. */
const mark = 'POSTERN_TEST_ALONE';

/** Whether this process was started by {@link runAlone}. */
export const alone = process.env[mark] === '1';

/**
 * Runs a test file again, as root in network and mount namespaces of its own, where every address and port is free.
 *
 * @throws Error with all that it wrote, when a test in it fails
 */
export async function runAlone(file: string, limitMs: number): Promise<void> {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('NODE_TEST_'));
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const child = [process.execPath, '--test', '--test-reporter=spec', '--test-timeout=120000', file];
  await run(
    'unshare',
    [...namespaces, '--propagation', 'private', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh', ...child],
    {
      env: { ...Object.fromEntries(kept), [mark]: '1' },
      timeout: limitMs,
      // unshare(1) takes no notice of others while it waits.
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 24,
    },
  ).catch((error: Error & { stdout?: string; stderr?: string }) => {
    throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
  });
}

/** One machine; it is there as long as its network. */
export interface Machine {
  readonly address: string;
  /** Command line before that of a program, which is to run there. */
  readonly inside: readonly string[];
}

/** A bridge in the test's own network namespace. */
export class Network implements AsyncDisposable {
  readonly #bridge: string;
  readonly #bits: string;
  readonly #holders: ChildProcess[] = [];

  private constructor(bridge: string, bits: string) {
    this.#bridge = bridge;
    this.#bits = bits;
  }

  /** @param address of the test itself, with the length of the prefix: `10.0.0.1/24` */
  static async create(address: string): Promise<Network> {
    const bridge = 'bridge';
    await ip('link', 'add', bridge, 'type', 'bridge');
    await ip('address', 'add', address, 'dev', bridge);
    await ip('link', 'set', bridge, 'up');
    return new Network(bridge, address.slice(address.indexOf('/')));
  }

  /** Adds a machine, which has no way out of the network. */
  async machine(address: string): Promise<Machine> {
    // Its namespaces last as long as this process.
    const holder = spawn(
      'unshare',
      ['--net', 'sh', '-c', 'ip link set lo up && echo up && exec sleep infinity'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    this.#holders.push(holder);
    await once(holder.stdout, 'data', { signal: AbortSignal.timeout(10_000) });
    const link = `machine${this.#holders.length}`;
    const inside = ['nsenter', `--net=/proc/${holder.pid}/ns/net`];
    const there = async (...parameters: string[]) =>
      run('nsenter', [...inside.slice(1), 'ip', ...parameters]);
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(holder.pid));
    await ip('link', 'set', link, 'master', this.#bridge, 'up');
    await there('address', 'add', `${address}${this.#bits}`, 'dev', 'eth0');
    await there('link', 'set', 'eth0', 'up');
    return { address, inside };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const holder of this.#holders) {
      const gone = once(holder, 'exit');
      if (holder.kill()) await gone;
    }
    await ip('link', 'delete', this.#bridge);
  }
}

async function ip(...parameters: string[]): Promise<void> {
  await run('ip', parameters);
}
