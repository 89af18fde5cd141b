// An image's process in a cage of its own: what a container engine does, by unshare, mount and chroot.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { eventually } from '../../test/mta/support/wait.ts';

/** How long a container gets to end after its stop signal; as long as `docker stop` gives by default. */
const stopLimitMs = 10_000;

/** How long a program within a container gets. */
const execLimitMs = 60_000;

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
  /** Directories that are empty file systems in memory, with options behind a colon (`size=1m,uid=1`). */
  readonly tmpfs?: readonly string[];
  /** Files and directories of the image → those of this machine that stand in their place. */
  readonly binds?: Readonly<Record<string, string>>;
  /** Command line before its own that puts it into a network; default: the test's own network. */
  readonly inside?: readonly string[];
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
    tmpfs) mount -t tmpfs -o "nosuid,nodev,mode=1777,$3" tmpfs "$root$2" ;;
    # As an engine does: what is mounted upon is made where it is missing.
    bind)
      if [ -d "$3" ]; then
        mkdir -p "$root$2"
      elif [ ! -e "$root$2" ]; then
        mkdir -p "$(dirname "$root$2")"
        : >"$root$2"
      fi
      mount --bind "$3" "$root$2" ;;
  esac
  shift 3
done
shift
[ "$mode" = rw ] || mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" "$@"`;

/** A process of an image, the first one in its namespace. */
export class Container implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #output: string;
  readonly #user: string;
  readonly #environment: readonly string[];

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
      ...tmpfs.flatMap((each) => {
        const [path = '', parameters = ''] = each.split(':');
        return ['tmpfs', path, parameters];
      }),
      ...Object.entries(binds).flatMap(([path, source]) => ['bind', path, source]),
    ];
    this.#user = config.User || '0:0';
    this.#environment = variables;
    this.#output = output;
    const file = openSync(output, 'a');
    const [program = '', ...parameters] = [
      ...(options.inside ?? []),
      ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'],
      ...['sh', '-c', enter, 'sh', root, this.#user, readOnly ? 'ro' : 'rw', ...mounts, '--'],
      ...['env', '-i', `--chdir=${config.WorkingDir || '/'}`, ...variables, ...command],
    ];
    this.#child = spawn(program, parameters, { stdio: ['ignore', file, file] });
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

  /** Runs a further program in it, as its own user; ends with its exit status and what it wrote. */
  async exec(command: readonly string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
    // Before it has entered its own file system, this would run in the machine's.
    await eventually('the container to be in its file system', () => {
      const pid = this.#find();
      return pid !== undefined && readlinkSync(`/proc/${pid}/root`) !== '/';
    });
    const [user = '0', group = '0'] = this.#user.split(':');
    const namespaces = [
      '--mount',
      '--net',
      '--pid',
      '--root',
      '--wd',
      `--setuid=${user}`,
      `--setgid=${group}`,
    ];
    const child = spawn(
      'nsenter',
      [`--target=${this.#process()}`, ...namespaces, 'env', '-i', ...this.#environment, ...command],
      { stdio: ['ignore', 'pipe', 'pipe'], timeout: execLimitMs },
    );
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    return { status: status as number | null, stdout, stderr };
  }

  /** What all its processes together use: memory, shared parts divided among who shares them, and threads. */
  usage(): { readonly bytes: number; readonly threads: number } {
    const namespace = readlinkSync(`/proc/${this.#process()}/ns/pid`);
    const processes = readdirSync('/proc').filter((name) => {
      try {
        return /^\d+$/u.test(name) && readlinkSync(`/proc/${name}/ns/pid`) === namespace;
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
    const sum = (file: string, pattern: RegExp) =>
      processes.reduce(
        (total, name) => total + Number(pattern.exec(readFileSync(`/proc/${name}/${file}`, 'utf8'))?.[1]),
        0,
      );
    return {
      bytes: sum('smaps_rollup', /^Pss: +(\d+) kB$/mu) * 1024,
      threads: sum('status', /^Threads:\t(\d+)$/mu),
    };
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
    const pid = this.#find();
    if (pid === undefined) throw new Error(`nothing runs\n${this.output()}`);
    return pid;
  }

  /** The first process of its namespace; undefined: there is none yet. */
  #find(): number | undefined {
    if (this.#hasEnded) throw new Error(`it has ended\n${this.output()}`);
    const { pid } = this.#child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children === '' ? undefined : Number(children.split(' ')[0]);
  }
}
