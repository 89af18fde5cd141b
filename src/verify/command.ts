// The command `postern verify`: from its options to its answer.
import { isIP } from 'node:net';
import { type Client, clientOf } from '../authentication/authentication.ts';
import type { Configuration, ListenerConfiguration } from '../config/configuration.ts';
import { loadForJudging } from '../config/judging.ts';
import type { HeaderField } from '../message/header-section.ts';
import { printable } from '../printable.ts';
import { controlCharacter, parsePathArgument } from '../smtp/path.ts';
import { VerifyError } from './error.ts';
import { readMessage } from './input.ts';
import { reportJson, reportText } from './report.ts';
import { type Verdict, verdictOf } from './verdict.ts';
import { type Question, verify } from './verify.ts';

/** The command line, read but not checked. */
export interface VerifyOptions {
  readonly ip?: string;
  readonly helo?: string;
  readonly from?: string;
  readonly to?: readonly string[];
  readonly listener?: string;
  readonly config?: string;
  readonly zone?: string;
  readonly json?: boolean;
  readonly explain?: boolean;
  readonly smtputf8?: boolean;
}

/** What the command tells. */
export interface Answer extends Verdict {
  /** Whole lines. */
  readonly report: string;
}

/**
 * Judges a message.
 *
 * @param file `-` or undefined: standard input
 * @param tell is told what was assumed and what went wrong, a line each time
 * @throws {VerifyError}
 * @throws {ConfigurationError}
 */
export async function runVerify(
  file: string | undefined,
  options: VerifyOptions,
  tell: (text: string) => void,
): Promise<Answer> {
  const note = (text: string) => tell(printable(text));
  const { from, to = [], json = false, explain = false, smtputf8 = false } = options;
  const client = readClient(options);
  const sender = from === undefined ? undefined : readAddress('--from', from);
  const recipients = to.map((address) => readAddress('--to', address));
  const configuration = load(options);
  const listener = choose(configuration, options.listener);
  const { limits, bareNewlines } = listener;
  const message = await readMessage(file === '-' ? undefined : file, {
    messageBytes: configuration.spool.messageLimitBytes,
    headerBytes: limits.headerBytes,
    bareNewlines,
  });
  if (client.ip === undefined)
    note('no --ip: the client is not known, and what needs its address is not checked');
  const question: Question = {
    message,
    client,
    reversePath: sender ?? assumeSender(message.header.fields, note),
    recipients,
    smtputf8,
  };
  const judgement = await verify(configuration, listener, question, {
    explain,
    report: (error, check) => note(`the check ${check} failed: ${describe(error)}`),
  });
  const report = json ? reportJson(judgement, explain) : reportText(judgement, explain);
  return { ...verdictOf(judgement.outcome.results), report };
}

function readClient({ ip, helo }: VerifyOptions): Client {
  if (ip !== undefined && (isIP(ip) === 0 || ip.includes('%'))) {
    throw new VerifyError('usage', `--ip: ${ip} is not an IPv4 or IPv6 address`);
  }
  if (helo !== undefined && (helo === '' || controlCharacter.test(helo))) {
    throw new VerifyError('usage', '--helo: expected the name that the client says in HELO or EHLO');
  }
  return clientOf({ ip, helo });
}

/** @returns bytes as latin1 string, without angle brackets */
function readAddress(option: string, text: string): string {
  const bracketed = /^<.*>$/s.test(text) ? text : `<${text}>`;
  const path = parsePathArgument(Buffer.from(bracketed, 'utf8').toString('latin1'));
  // Only a sender may be null.
  if (typeof path === 'string' || path.parameters.length > 0 || (path.address === '' && option === '--to')) {
    throw new VerifyError('usage', `${option}: ${text} is not an address`);
  }
  return path.address;
}

/** Whoever delivered the message wrote the envelope sender into it (RFC 5321 §4.4). */
function assumeSender(fields: readonly HeaderField[], note: (text: string) => void): string {
  const field = fields.find(({ name }) => name.toLowerCase() === 'return-path');
  const text = field?.raw
    .toString('latin1')
    .replace(/^[^:]*:/, '')
    .replace(/[\r\n]/g, '')
    .trim();
  const path = text === undefined ? undefined : parsePathArgument(text);
  if (path === undefined || typeof path === 'string') {
    note('no --from, and no Return-Path in the message: the null sender <> is assumed');
    return '';
  }
  const shown = Buffer.from(path.address, 'latin1').toString('utf8');
  note(`no --from: <${shown}> is assumed, from the Return-Path of the message`);
  return path.address;
}

function load({ config, zone }: VerifyOptions): Configuration {
  if (zone === '') throw new VerifyError('usage', '--zone: expected the name of a file');
  return loadForJudging({ config, zone, environment: process.env });
}

function choose({ listeners }: Configuration, name: string | undefined): ListenerConfiguration {
  const chosen = name === undefined ? listeners[0] : listeners.find((each) => each.name === name);
  if (chosen) return chosen;
  const names = listeners.map((each) => each.name).join(', ');
  throw new VerifyError('usage', `--listener: there is no ${name}; expected one of ${names}`);
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
