// A registry of packages on loopback that has what is installed here, so that npm installs without a network.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

/** A registry, for as long as it is needed. */
export interface Registry extends AsyncDisposable {
  readonly url: string;
}

/** Starts the registry; of each package it has the versions that stand in node_modules. */
export async function startRegistry(): Promise<Registry> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Package → version → directory, as npm noted when it installed them. */
function installedPackages(): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const { packages } = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { readonly version: string }>>;
  };
  const found = new Map<string, Map<string, string>>();
  for (const [path, { version }] of Object.entries(packages)) {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const versions = found.get(name) ?? new Map<string, string>();
    found.set(name, versions.set(version, join(root, path)));
  }
  return found;
}

const installed = installedPackages();

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, origin } = new URL(request.url ?? '/', `http://${request.headers.host}`);
  const [name = '', archive] = decodeURIComponent(pathname.slice(1)).split('/-/');
  const versions = installed.get(name);
  const directory = archive === undefined ? undefined : versions?.get(archive);
  if (directory !== undefined) {
    sendArchive(directory, response);
  } else if (versions === undefined || archive !== undefined) {
    response.writeHead(404).end('{}');
  } else {
    const manifests = [...versions].map(([version, from]) => {
      const manifest = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as object;
      return [version, { ...manifest, dist: { tarball: `${origin}/${name}/-/${version}` } }];
    });
    const [latest] = [...versions.keys()].slice(-1);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ name, 'dist-tags': { latest }, versions: Object.fromEntries(manifests) }));
  }
}

function sendArchive(directory: string, response: ServerResponse): void {
  const contents = ['--exclude=./node_modules', '--transform=s,^\\.,package,', '.'];
  const tar = spawn('tar', ['--create', '--gzip', ...contents], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  tar.stdout.pipe(response);
}
