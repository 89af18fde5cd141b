// A compose project as docker-compose reads it: one service for each image, with all files merged.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';

const run = promisify(execFile);

/** A service, with what of it the checks look at, in the long forms that docker-compose writes. */
export interface Service {
  readonly image: string;
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly read_only?: boolean;
  readonly networks: { readonly mail: { readonly ipv4_address?: string } };
  readonly secrets?: readonly { readonly source: string }[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[] };
  readonly ports?: readonly string[];
  readonly mem_limit?: string;
  readonly pids_limit?: number;
}

/** A project. */
export interface Project {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly networks: {
    readonly mail: { readonly ipam: { readonly config: readonly { readonly subnet: string }[] } };
  };
}

/**
 * Has docker-compose check and merge files of one directory.
 *
 * @throws Error with what docker-compose finds wrong with them
 */
export async function readProject(files: readonly string[]): Promise<Project> {
  const directory = dirname(files[0] ?? '.');
  // Debian's docker-compose is older than the key `name`; everything else it knows. Beside the files, whose paths
  // are relative to where they are.
  const scratch = mkdtempSync(join(directory, '.compose-'));
  try {
    const copies = files.map((file) => {
      const copy = join(scratch, basename(file));
      writeFileSync(copy, readFileSync(file, 'utf8').replace(/^name: .*\n/mu, ''));
      return copy;
    });
    const named = copies.flatMap((copy) => ['--file', copy]);
    const { stdout } = await run('docker-compose', ['--project-directory', directory, ...named, 'config'], {
      timeout: 60_000,
    });
    return parse(stdout) as Project;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
