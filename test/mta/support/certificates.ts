// Certificates that hold and such that do not, as the openssl command makes them.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const dayMs = 86_400_000;

/** Where a certificate and its key are. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Whose it is: the host's name, or the authority's. */
  readonly name: string;
  /** Whether it may sign others. */
  readonly authority?: boolean;
  /** Days from now; default: from yesterday for a month. */
  readonly valid?: readonly [from: number, to: number];
  /** Default: it signs itself. */
  readonly issuer?: CertificateFiles;
}

/** Makes certificates in one directory. */
export class Certificates {
  readonly #directory: string;
  #made = 0;

  constructor(directory: string) {
    this.#directory = directory;
    writeFileSync(join(directory, 'index'), '');
  }

  async make(options: CertificateOptions): Promise<CertificateFiles> {
    const { name, authority = false, valid = [-1, 30], issuer } = options;
    const base = join(this.#directory, String(++this.#made));
    const own = { certificate: `${base}.crt`, key: `${base}.key` };
    const { certificate, key } = issuer ?? own;
    const extensions = [
      `basicConstraints=CA:${authority}`,
      ...(authority ? [] : [`subjectAltName=DNS:${name}`]),
    ];
    writeFileSync(`${base}.cnf`, settings(this.#directory, extensions));
    await this.#openssl(
      ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`],
      ['-keyout', own.key, '-out', `${base}.csr`],
    );
    const [from, to] = valid.map((days) => dateOf(Date.now() + days * dayMs));
    await this.#openssl(
      ['ca', '-batch', '-notext', '-config', `${base}.cnf`, '-startdate', `${from}`, '-enddate', `${to}`],
      ['-in', `${base}.csr`, '-out', own.certificate, '-keyfile', key],
      issuer ? ['-cert', certificate] : ['-selfsign'],
    );
    return own;
  }

  /** A certificate with that of its issuer behind it, as servers should send it. */
  chain({ certificate, key }: CertificateFiles, issuer: CertificateFiles): CertificateFiles {
    const file = certificate.replace('.crt', '-chain.crt');
    writeFileSync(file, readFileSync(certificate, 'utf8') + readFileSync(issuer.certificate, 'utf8'));
    return { certificate: file, key };
  }

  async #openssl(...parameters: readonly (readonly string[])[]): Promise<void> {
    await run('/usr/bin/openssl', parameters.flat(), { cwd: this.#directory, timeout: 20_000 });
  }
}

/** A file of ca(1ssl), which alone can make certificates of the past and the future. */
function settings(directory: string, extensions: readonly string[]): string {
  return `[ca]
default_ca = own
[own]
database = ${directory}/index
new_certs_dir = ${directory}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
${extensions.join('\n')}
`;
}

/** ASN.1's GeneralizedTime. */
function dateOf(time: number): string {
  return `${new Date(time).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
}
