// Loads the configuration: finds it, reads it, checks it, and follows the files that it names.
import { accessSync, constants, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import type { SealOptions } from '../authentication/arc/seal.ts';
import type { ConfiguredCheck } from '../authentication/checks.ts';
import { parseZone, type Zone } from '../dns/zone.ts';
import { accountMistakes } from './accounts.ts';
import type {
  Configuration,
  HttpConfiguration,
  ListenerConfiguration,
  SocketConfiguration,
  TlsConfiguration,
} from './configuration.ts';
import { contradictions } from './contradictions.ts';
import { readCustomChecks } from './custom-checks.ts';
import { type ConfigurationPlace, findSource } from './find.ts';
import { readHttp } from './http.ts';
import {
  ConfigurationError,
  type Mistake,
  mistakesOf,
  printable,
  sayIssue,
  show,
  valueAt,
} from './mistakes.ts';
import { missingPlaces } from './places.ts';
import { type RuleFileConfiguration, readRuleFile } from './rules.ts';
import { configurationSchema, type ParsedConfiguration } from './schema.ts';
import { readSeal } from './seal.ts';
import { type Following, parseYaml, readNamed, type Source } from './source.ts';
import { invalidNow, readTls } from './tls.ts';

type ParsedListener = ParsedConfiguration['listeners'][number];

/** Where large messages go when the file does not say. */
const defaultSpool = '/var/spool/postern';

/**
 * Loads a configuration.
 *
 * With `file`, that file; else the environment when it describes a listener (POSTERN_LISTEN,
 * POSTERN_DESTINATION); else the first default file there is.
 *
 * @param found what was found there already
 * @param from.purpose `judge`: certificates and keys, which not everybody may read, are not looked at either
 * @throws {ConfigurationError} with every mistake that was found
 */
export function loadConfiguration(from: ConfigurationPlace, found = findSource(from)): Configuration {
  const { purpose = 'serve' } = from;
  const { file, source, directory, zoneDirectory, unused } = found;
  const parsed = configurationSchema.safeParse(source.value, { error: sayIssue });
  const { unresolved = [] } = source;
  const isResolved = (path: readonly PropertyKey[]) => !unresolved.some((one) => isAbove(one, path));
  const wrong = [...(parsed.success ? [] : mistakesOf(parsed.error.issues)), ...contradictions(source.value)];
  // A reference that leads nowhere is not a wrong value as well.
  const mistakes = [...unresolved, ...wrong.filter(({ path }) => isResolved(path))]
    .sort((one, other) => source.line(one.path) - source.line(other.path))
    .map(({ path, text }) => `${source.place(path)}: ${text}`);
  const zone = isResolved(['dns', 'zone'])
    ? readZone({ source, mistakes, directory: zoneDirectory })
    : undefined;
  const ruleFile = isResolved(['policy', 'rulesFile'])
    ? readRuleFile({ source, mistakes, directory })
    : undefined;
  if (!parsed.success) throw new ConfigurationError(mistakes);
  const { data } = parsed;
  const tls = data.listeners.map((listener, i) => {
    if (purpose === 'judge') return undefined;
    return listener.tls && readTls(listener.tls, ['listeners', i, 'tls'], { source, mistakes, directory });
  });
  const { custom, ...builtIn } = data.checks;
  const customChecks = readCustomChecks(custom, Object.keys(builtIn), { source, mistakes, directory });
  const { arc } = data.checks;
  const sealing = arc ? arc.seal : undefined;
  // Whoever only judges may not be able to read the key, and can do without.
  const keyMistakes = purpose === 'judge' ? [] : mistakes;
  const seal = sealing && readSeal(sealing, { source, mistakes: keyMistakes, directory });
  if (purpose !== 'judge') {
    mistakes.push(...accountMistakes(data, source, purpose === 'check' || process.getuid?.() === 0));
  }
  const http = purpose === 'judge' ? false : readHttp(data.http, { source, mistakes, directory });
  if (mistakes.length > 0) throw new ConfigurationError(mistakes);
  // Whoever serves is told of these by what fails; a check can be made before they are there.
  const missing = purpose === 'check' ? missingPlaces(data, { source, directory }) : [];
  const warnings = [
    ...unused,
    ...(purpose === 'judge' ? [] : everybodysName(data.hostname, source)),
    ...missing,
    ...invalidNow(tls, source),
  ];
  return complete(data, {
    file,
    warnings,
    http,
    directory,
    zone,
    tls,
    customChecks,
    ruleFile,
    ...(seal && { seal }),
  });
}

/** What nobody has named is called as the machine is, and some systems call each machine the same. */
function everybodysName(hostname: string, source: Source): string[] {
  const isOwn = valueAt(source.value, 'hostname') === undefined;
  if (!isOwn || !/^localhost(?:\.|$)/i.test(hostname)) return [];
  const place = source.place(['hostname']);
  return [
    `${place}: missing, and this machine’s own name, ${show(hostname)}, is that of every other too; expected a name such as mx.example.com`,
  ];
}

/** Whether a mistake is that of a value at this path, or of one around it. */
function isAbove(mistake: Mistake, path: readonly PropertyKey[]): boolean {
  return mistake.path.every((key, i) => key === path[i]);
}

/** Reads the zone file that the configuration names, also when other keys are wrong: all mistakes at once. */
function readZone(following: Following): Zone | undefined {
  const { source: naming, mistakes, directory } = following;
  const file = valueAt(valueAt(naming.value, 'dns'), 'zone');
  if (typeof file !== 'string' || file === '') return undefined;
  const path = resolve(directory, file);
  const text = readNamed(path, ['dns', 'zone'], following);
  if (text === undefined) return undefined;
  try {
    const source = parseYaml(path, text);
    const zone = parseZone(source.value);
    if (!Array.isArray(zone)) return zone;
    const names = new Set(Object.keys((source.value ?? {}) as object));
    mistakes.push(...zone.map((text) => placeInZone(source, names, text)));
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    mistakes.push(...error.mistakes);
  }
  return undefined;
}

/** A zone's mistakes begin with `name.TYPE[i]: `, and names have dots themselves. */
function placeInZone(source: Source, names: ReadonlySet<string>, text: string): string {
  const [, key = '', what = text] = /^(.*?): (.*)$/s.exec(text) ?? [];
  let name = key;
  while (name !== '' && !names.has(name)) name = name.slice(0, Math.max(0, name.lastIndexOf('.')));
  if (name === '') return `${source.place([])}: ${printable(text)}`;
  const [, type, index] = /^([^[]+)(?:\[([0-9]+)\])?$/.exec(key.slice(name.length + 1)) ?? [];
  const path = [name, ...(type === undefined ? [] : [type]), ...(index === undefined ? [] : [Number(index)])];
  return `${source.place(path)}: ${what.startsWith('expected ') ? 'not possible here; ' : ''}${printable(what)}`;
}

function findSpool(): string {
  try {
    accessSync(defaultSpool, constants.W_OK | constants.X_OK);
    return statSync(defaultSpool).isDirectory() ? defaultSpool : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** What a configuration needs besides its keys. */
interface Found {
  readonly file: string | undefined;
  readonly warnings: readonly string[];
  readonly directory: string;
  readonly zone: Zone | undefined;
  /** One for each listener. */
  readonly tls: readonly (TlsConfiguration | undefined)[];
  readonly customChecks: readonly ConfiguredCheck[];
  readonly ruleFile: RuleFileConfiguration | undefined;
  readonly seal?: SealOptions;
  readonly http: HttpConfiguration | false;
}

function complete(
  parsed: ParsedConfiguration,
  { file, warnings, directory, zone, tls, customChecks, ruleFile, seal, http }: Found,
): Configuration {
  const {
    hostname,
    authservId = hostname,
    listeners,
    checks,
    dns,
    spool,
    user,
    group,
    stopTimeout,
    ...rest
  } = parsed;
  const { zoneFile: _, ...dnsRest } = dns;
  return {
    ...(file !== undefined && { file }),
    warnings,
    hostname,
    authservId,
    listeners: listeners.map((listener, i) => completeListener(listener, tls[i], { hostname, authservId })),
    dns: { ...dnsRest, ...(zone && { zone }) },
    // Another process reads them again, and our working directory may be gone then.
    checks: {
      ...checks,
      custom: checks.custom.map((entry) => ({ ...entry, module: resolve(directory, entry.module) })),
    },
    customChecks,
    ...(ruleFile && { ruleFile }),
    ...(seal && { seal }),
    ...(user !== undefined && { user }),
    ...(group !== undefined && { group }),
    stopMs: stopTimeout,
    spool: {
      ...spool,
      directory: spool.directory === undefined ? findSpool() : resolve(directory, spool.directory),
    },
    ...rest,
    http,
  };
}

/** Postfix gives a before-queue filter 100 s (smtpd_proxy_timeout), RFC 5321 §4.5.3.2.6 a server 10 minutes. */
const answerMs = { 'before-queue': 90_000, 'after-queue': 600_000 } as const;

function completeListener(
  listener: ParsedListener,
  pem: TlsConfiguration | undefined,
  above: { readonly hostname: string; readonly authservId: string },
): ListenerConfiguration {
  const { tls: _, limits, socket, authservId = above.authservId, ...rest } = listener;
  return {
    ...rest,
    hostname: above.hostname,
    authservId,
    limits: { ...limits, answerMs: limits.answerMs ?? answerMs[listener.mode] },
    ...(pem && { tls: pem }),
    ...(socket && { socket: definedOf(socket) }),
  };
}

/** Without the keys that are undefined. */
function definedOf({ mode, owner, group }: NonNullable<ParsedListener['socket']>): SocketConfiguration {
  return {
    ...(mode !== undefined && { mode }),
    ...(owner !== undefined && { owner }),
    ...(group !== undefined && { group }),
  };
}
