// An event as text for people: who and what first, each field as one word, those of a transaction as a mail server writes them.
import type { LogFields } from './log.ts';

/** `event key=value ...`; a value stands in quotes where it could be taken for something else. */
export function eventText(event: string, fields: LogFields): string {
  const words = Object.entries(fields).flatMap(([key, value]) => fieldWords(key, value));
  return [textEvent(event), ...words].join(' ');
}

/** An event's name is a few words of ours; it is quoted only where it would end its line. */
function textEvent(event: string): string {
  return JSON.stringify(event).slice(1, -1);
}

function fieldWords(key: string, value: unknown): string[] {
  if (value === undefined) return [];
  const inWords = Object.hasOwn(known, key) ? known[key]?.(value) : undefined;
  if (inWords) return inWords.map(([name, text]) => `${word(name)}=${word(text)}`);
  return [`${word(key)}=${word(value)}`];
}

/** A value as one word: plain where nothing in it could be taken for something else. */
function word(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=\\\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}

type Words = [name: string, text: string][] | undefined;

/** The fields that are no plain values, by name; undefined where one is not of the shape that it should be. */
const known: Readonly<Record<string, ((value: unknown) => Words) | undefined>> = {
  client,
  from: (value) => (typeof value === 'string' ? [['from', `<${value}>`]] : undefined),
  recipients,
  results: (value) => pairs('results', value, '='),
  milliseconds: (value) => (typeof value === 'number' ? [['ms', String(value)]] : pairs('ms', value, ' ')),
  dmarc: (value) => pairs('dmarc', value, '='),
  dryRun: (value) => pairs('dryRun', value, '='),
  tls: (value) => (isRecord(value) ? [['tls', Object.values(value).join(' ')]] : undefined),
  replies: (value) => list(value, (texts) => [['reply', texts.join(', ')]]),
  destinations: (value) => list(value, (texts) => [['destinations', texts.join(', ')]]),
};

/** As Postfix writes it: `mail.example.com[192.0.2.10]`. */
function client(value: unknown): Words {
  if (!isRecord(value)) return undefined;
  const { ip, name, helo, ...others } = value;
  if (Object.keys(others).length > 0) return undefined;
  const who = `${name ?? 'unknown'}[${ip ?? 'unknown'}]`;
  return helo === undefined
    ? [['client', who]]
    : [
        ['client', who],
        ['helo', String(helo)],
      ];
}

/** Those who were accepted; of each other one what was said of it. */
function recipients(value: unknown): Words {
  if (!Array.isArray(value) || !value.every(isRecord)) return undefined;
  const accepted = value
    .filter(({ reply }) => String(reply).startsWith('2'))
    .map(({ to }) => `<${String(to)}>`);
  const refused = value.filter(({ reply }) => !String(reply).startsWith('2'));
  return [
    ...(accepted.length > 0 ? [['to', accepted.join(',')] as [string, string]] : []),
    ...refused.map(({ to, reply, reason }): [string, string] => [
      'refused',
      [`<${String(to)}>`, reply, ...(reason === undefined ? [] : [`(${String(reason)})`])].join(' '),
    ]),
  ];
}

function pairs(key: string, value: unknown, between: string): Words {
  if (!isRecord(value)) return undefined;
  const texts = Object.entries(value).map(([name, one]) => `${name}${between}${plain(one)}`);
  return [[key, texts.join(between === '=' ? ' ' : ', ')]];
}

function list(value: unknown, words: (texts: readonly string[]) => Words): Words {
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (!isList) return undefined;
  return value.length === 0 ? [] : words(value);
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
