// A private nsd on loopback that knows every name the tests speak of, and no other.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers, freePort } from './ports.ts';
import { type Site, untilReady } from './site.ts';

/** Zones in master file form (RFC 1035 §5), by origin, without the SOA and NS records. */
export type Zones = Readonly<Record<string, readonly string[]>>;

/** A running name server. */
export interface NameServer {
  /** `address:port`, UDP and TCP, as `dns.servers` of Postern wants it. */
  readonly address: string;
}

/** Starts nsd with the given zones and waits until it answers. */
export async function startNameServer(site: Site, zones: Zones): Promise<NameServer> {
  const directory = site.directory('nsd');
  const port = await freePort();
  const configuration = [
    'server:',
    `  ip-address: 127.0.0.1@${port}`,
    '  server-count: 1',
    '  username: ""',
    '  chroot: ""',
    '  database: ""',
    `  zonesdir: "${directory}"`,
    `  zonelistfile: "${join(directory, 'zone.list')}"`,
    `  xfrdfile: "${join(directory, 'xfrd.state')}"`,
    `  xfrdir: "${directory}"`,
    `  pidfile: "${join(directory, 'nsd.pid')}"`,
    'remote-control:',
    '  control-enable: no',
  ];
  for (const [origin, records] of Object.entries(zones)) {
    const file = join(directory, `${origin}.zone`);
    const apex = [
      `$ORIGIN ${origin}.`,
      '$TTL 60',
      '@ SOA ns.example. hostmaster.example. 1 60 60 60 60',
      '@ NS ns.example.',
    ];
    writeFileSync(file, `${[...apex, ...records].join('\n')}\n`);
    configuration.push('zone:', `  name: "${origin}"`, `  zonefile: "${file}"`);
  }
  const configurationFile = join(directory, 'nsd.conf');
  writeFileSync(configurationFile, `${configuration.join('\n')}\n`);
  const daemon = site.start('/usr/sbin/nsd', ['-d', '-c', configurationFile]);
  await untilReady('nsd', daemon, () => answers(port));
  return { address: `127.0.0.1:${port}` };
}

/** A TXT record of any length, in strings of at most 255 characters (RFC 7208 §3.3). */
export function txt(name: string, text: string): string {
  const strings = text.match(/.{1,255}/gu) ?? [''];
  return `${name} TXT ${strings.map((part) => `"${part}"`).join(' ')}`;
}
