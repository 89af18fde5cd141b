// The envelope that upstream gives a message: paths of its own, so that mixing is seen, and parameters.
import type { UpstreamStep } from './faults.ts';
import type { Mail } from './mail.ts';
import type { Random } from './random.ts';

export interface EnvelopeOptions {
  readonly xforward: boolean;
  readonly mostRecipients: number;
  /** Whether there are parameters, where they are offered. */
  readonly parameters: boolean;
}

/** A command and the step that it is. */
export type Command = readonly [UpstreamStep, string];

/** How upstream may call itself: what it is called is nobody's business but the trace's. */
const names: readonly [string, ...string[]] = [
  'upstream.example',
  'localhost',
  '[127.0.0.1]',
  '[IPv6:2001:db8::1]',
  'UP_stream-1.example.',
  `${'u'.repeat(60)}.${'v'.repeat(60)}.${'w'.repeat(60)}.example`,
];

/** EHLO or LHLO, and now and then HELO where nothing more is needed. */
export function helloOf(protocol: 'smtp' | 'lmtp', mayBeHelo: boolean, random: Random): string {
  const verb = protocol === 'lmtp' ? 'LHLO' : mayBeHelo && random.chance(0.15) ? 'HELO' : 'EHLO';
  return `${verb} ${random.pick(names)}`;
}

/** The keywords of a reply to EHLO, LHLO or HELO, whose lines are joined with " / ". */
export function offeredIn(reply: string): ReadonlySet<string> {
  return new Set(
    reply
      .split(' / ')
      .slice(1)
      .map((line) => line.split(' ', 1)[0] ?? ''),
  );
}

/**
 * All commands before DATA.
 *
 * @param offered the extensions that may be used
 */
export function envelopeOf(
  { id, wire }: Mail,
  { xforward, mostRecipients, parameters }: EnvelopeOptions,
  offered: ReadonlySet<string>,
  random: Random,
): readonly Command[] {
  const given = (extension: string, text: string) =>
    parameters && offered.has(extension) && random.chance(0.4) ? ` ${text}` : '';
  const lines: Command[] = [];
  if (xforward && offered.has('XFORWARD')) {
    const attributes = `NAME=mail.known.example ADDR=192.0.2.${random.whole(1, 254)} HELO=mail.known.example`;
    lines.push(['XFORWARD', `XFORWARD ${attributes}`]);
  }
  const ofMail = [
    given('SIZE', `SIZE=${wire.length}`),
    given('8BITMIME', `BODY=${random.pick(['8BITMIME', '7BIT'])}`),
    given('SMTPUTF8', 'SMTPUTF8'),
    given('DSN', `RET=${random.pick(['HDRS', 'FULL'])}`),
    given('DSN', `ENVID=${id}+2Bpart`),
  ];
  lines.push(['MAIL', `MAIL FROM:<${id}@known.example>${ofMail.join('')}`]);
  for (let i = random.whole(1, mostRecipients); i > 0; i -= 1) {
    const path = `r${i}.${id}@destination.example`;
    const ofRcpt = [
      given('DSN', `NOTIFY=${random.pick(['NEVER', 'SUCCESS,FAILURE', 'DELAY'])}`),
      given('DSN', `ORCPT=rfc822;o+2B${path}`),
    ];
    lines.push(['RCPT', `RCPT TO:<${path}>${ofRcpt.join('')}`]);
  }
  return lines;
}
