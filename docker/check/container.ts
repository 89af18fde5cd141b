// An image's process in a cage of its own: what a container engine does, by unshare, mount and chroot.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../test/mta/support/wait.ts';

/** How long a container gets to end after its stop signal; as long as `docker stop` gives by default. */
const stopLimitMs = 10_000;

/** An image as `buildah inspect` tells it. */
export interface Image {
  /** Its file system. */
  readonly root: string;
  readonly config: {
    readonly User?: string;
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly WorkingDir?: string;
    readonly Labels?: Readonly<Record<string, string>>;
    readonly ExposedPorts?: Readonly<Record<string, unknown>>;
    readonly StopSignal?: string;
    readonly Healthcheck?: { readonly Test: readonly string[] };
  };
}

/** Reads what docker/check-image.sh left of an image. */
export function readImage(directory: string, name: string): Image {
  const inspected = JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) as {
    Docker: { config: Image['config'] };
  };
  return {
    root: readFileSync(join(directory, `${name}.root`), 'utf8').trim(),
    config: inspected.Docker.config,
  };
}

/** What a container has besides its image. */
export interface ContainerOptions {
  readonly readOnly?: boolean;
  /** Directories that are empty file systems in memory. */
  readonly tmpfs?: readonly string[];
  /** Directories of the image → directories of this machine that stand in their place. */
  readonly binds?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** In place of the image's ENTRYPOINT and CMD. */
  readonly command?: readonly string[];
}

/** Mounts what a container needs, and becomes the image's process. */
const enter = `set -eu
root=$1; user=$2; mode=$3; shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
  case $1 in
    tmpfs) mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root$2"; shift 2 ;;
    bind) mount --bind "$2" "$root$3"; shift 3 ;;
  esac
done
shift
[ "$mode" = rw ] || mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" "$@"`;

/** A process of an image, the first one in its namespace. */
export class Container implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #output: string;

  /** @param output file for what it writes; a file, since Postfix opens /dev/stdout anew */
  constructor(image: Image, output: string, options: ContainerOptions = {}) {
    const { config, root } = image;
    const { readOnly = false, tmpfs = [], binds = {}, environment = {} } = options;
    const command = options.command ?? [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
    const variables = [
      ...(config.Env ?? []),
      ...Object.entries(environment).map(([key, value]) => `${key}=${value}`),
    ];
    const mounts = [
      ...tmpfs.flatMap((path) => ['tmpfs', path]),
      ...Object.entries(binds).flatMap(([path, source]) => ['bind', source, path]),
    ];
    this.#output = output;
    const file = openSync(output, 'a');
    this.#child = spawn(
      'unshare',
      [
        ...['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'],
        ...['sh', '-c', enter, 'sh', root, config.User || '0:0', readOnly ? 'ro' : 'rw', ...mounts, '--'],
        ...['env', '-i', `--chdir=${config.WorkingDir || '/'}`, ...variables, ...command],
      ],
      { stdio: ['ignore', file, file] },
    );
    closeSync(file);
  }

  /** Everything it wrote so far. */
  output(): string {
    return readFileSync(this.#output, 'latin1');
  }

  /** Waits until it has written something that matches. */
  async wrote(pattern: RegExp): Promise<void> {
    await eventually(
      `${this.#output} to have ${pattern}`,
      () => {
        if (this.#child.exitCode !== null)
          throw new Error(`it ended with ${this.#child.exitCode}\n${this.output()}`);
        return pattern.test(this.output());
      },
      { state: () => this.output() },
    );
  }

  /** A file of /proc about the process. */
  proc(file: string): string {
    return readFileSync(`/proc/${this.#process()}/${file}`, 'utf8');
  }

  /** Its exit status, when it had not ended before. */
  async ended(): Promise<number | null> {
    if (!this.#hasEnded) {
      await once(this.#child, 'exit', { signal: AbortSignal.timeout(stopLimitMs) });
    }
    return this.#child.exitCode;
  }

  /** Sends the signal that the image asks to be stopped with. */
  async stop(): Promise<number | null> {
    process.kill(this.#process(), 'SIGTERM');
    return this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    try {
      await this.stop();
    } catch {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await gone;
    }
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #process(): number {
    const { pid } = this.#child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    if (children === '') throw new Error(`nothing runs\n${this.output()}`);
    return Number(children.split(' ')[0]);
  }
}
