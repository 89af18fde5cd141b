// A container engine for one compose project, with as much of `docker compose` as docker/try.sh and the checks need.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { eventually } from '../../test/mta/support/wait.ts';
import { type Machine, Network } from '../../test/shipping/support/network.ts';
import { NameServer } from '../../test/support/name-server.ts';
import { Container, type Image } from './container.ts';
import { type Project, readProject, type Service } from './project.ts';

/** What a command ends with. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const done = (status: number, stdout = '', stderr = ''): Outcome => ({ status, stdout, stderr });

/** Starts and stops the services of a project, each with an address of its own; the test is their gateway. */
export class Engine implements AsyncDisposable {
  readonly #images: ReadonlyMap<string, Image>;
  readonly #directory: string;
  readonly #running = new Map<string, Container>();
  readonly #machines = new Map<string, Machine>();
  #network: Network | undefined;
  #names: NameServer | undefined;

  /**
   * @param images by the names that the compose files call them
   * @param directory for volumes and logs
   */
  constructor(images: ReadonlyMap<string, Image>, directory: string) {
    this.#images = images;
    this.#directory = directory;
  }

  /** What runs now. */
  container(service: string): Container {
    const found = this.#running.get(service);
    if (!found) throw new Error(`${service} does not run`);
    return found;
  }

  /**
   * Does what `docker compose` does with these parameters.
   *
   * @param cwd where the files that they name are
   */
  async docker(parameters: readonly string[], cwd: string): Promise<Outcome> {
    const [, ...rest] = parameters;
    const files: string[] = [];
    while (rest[0] === '--file') files.push(join(cwd, rest.splice(0, 2)[1] ?? ''));
    if (rest.join(' ') === 'up --build --wait') return this.#up(await readProject(files));
    if (rest.join(' ') === 'down --volumes') {
      await this.#down();
      rmSync(this.#volumes, { recursive: true, force: true });
      return done(0);
    }
    const [verb, option, service = '', ...command] = rest;
    if (verb === 'exec' && option === '-T') {
      const { status, ...said } = await this.container(service).exec(command);
      return { status: status ?? 255, ...said };
    }
    return done(64, '', `docker ${parameters.join(' ')}: not known here\n`);
  }

  get #volumes(): string {
    return join(this.#directory, 'volumes');
  }

  /** Each after those it depends on, and all of them healthy in the end. */
  async #up(project: Project): Promise<Outcome> {
    await this.#down();
    const { services } = project;
    const ours = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
    await this.#connect(project, ours);
    const waiting = new Map(ours);
    while (waiting.size > 0) {
      const [next] = [...waiting].filter(([, { depends_on = {} }]) =>
        Object.keys(depends_on).every((other) => this.#running.has(other)),
      );
      if (!next) return done(1, '', `these wait for each other: ${[...waiting.keys()].join(', ')}\n`);
      const [name, service] = next;
      waiting.delete(name);
      this.#start(name, service, project);
      await this.#healthy(name, service);
    }
    return done(0, '', `${[...this.#running.keys()].join(', ')}: healthy\n`);
  }

  /** The network, and its name server, which knows each service by its name and nothing else. */
  async #connect(project: Project, services: readonly (readonly [string, Service])[]): Promise<void> {
    if (this.#network) return;
    const [first = '', bits = ''] = (project.networks.mail.ipam.config[0]?.subnet ?? '').split('/');
    const gateway = first.replace(/0$/u, '1');
    this.#network = await Network.create(`${gateway}/${bits}`);
    this.#names = await NameServer.start({}, { address: gateway, port: 53 });
    for (const [name, { networks }] of services) {
      const address = networks.mail.ipv4_address ?? '';
      this.#machines.set(name, await this.#network.machine(address));
      this.#names.responses.set(`A ${name}`, { values: [address] });
      this.#names.responses.set(`AAAA ${name}`, { code: 'NOERROR' });
    }
    writeFileSync(join(this.#directory, 'resolv.conf'), `nameserver ${gateway}\n`);
  }

  #start(name: string, service: Service, project: Project): void {
    const image = this.#image(service);
    const mounts = (service.volumes ?? []).map((volume) => {
      const [source = '', target = ''] = volume.split(':');
      return [target, source.startsWith('/') ? source : this.#volume(source, join(image.root, target))];
    });
    const secrets = (service.secrets ?? []).map(({ source }) => [
      `/run/secrets/${source}`,
      project.secrets[source]?.file ?? '',
    ]);
    const container = new Container(image, join(this.#directory, `${name}.log`), {
      readOnly: service.read_only ?? false,
      tmpfs: service.tmpfs ?? [],
      binds: {
        '/etc/resolv.conf': join(this.#directory, 'resolv.conf'),
        ...Object.fromEntries([...mounts, ...secrets]),
      },
      inside: this.#machines.get(name)?.inside ?? [],
      environment: service.environment ?? {},
      ...(service.command && { command: [...(image.config.Entrypoint ?? []), ...service.command] }),
    });
    this.#running.set(name, container);
  }

  /** A named volume: at first it has what the image has there. */
  #volume(name: string, initial: string): string {
    const volume = join(this.#volumes, name);
    if (!existsSync(volume)) {
      mkdirSync(this.#volumes, { recursive: true });
      execFileSync('cp', ['--archive', initial, volume]);
    }
    return volume;
  }

  async #healthy(name: string, service: Service): Promise<void> {
    const [kind, ...command] =
      service.healthcheck?.test ?? this.#image(service).config.Healthcheck?.Test ?? [];
    if (kind !== 'CMD') throw new Error(`${name} has no health check of the form CMD`);
    const container = this.container(name);
    await eventually(`${name} to be healthy`, async () => (await container.exec(command)).status === 0, {
      limitMs: 60_000,
      state: () => container.output(),
    });
  }

  #image({ image }: Service): Image {
    const found = this.#images.get(image);
    if (!found)
      throw new Error(
        `no image ${image}; there are ${[...this.#images.keys()].map((each) => basename(each))}`,
      );
    return found;
  }

  async #down(): Promise<void> {
    for (const [name, container] of [...this.#running].reverse()) {
      await container[Symbol.asyncDispose]();
      this.#running.delete(name);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#down();
    await this.#names?.[Symbol.asyncDispose]();
    await this.#network?.[Symbol.asyncDispose]();
  }
}
