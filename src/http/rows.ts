// A transaction's record, which is plain data of whatever shape, as a row of the list.
import { type ReplyClass, readReplyClass } from '../telemetry/reply-class.ts';
import type { StorySummary } from '../telemetry/trace.ts';
import type { TransactionRow } from './answers.ts';

/** The fields of a transaction's line in the log. */
export type TransactionFields = Readonly<Record<string, unknown>>;

/** What a list shows of a text that a stranger chose. */
const maxCharacters = 320;
const maxResults = 50;

/** @param timeMs when it ended, in milliseconds since the epoch */
export function rowOf(record: TransactionFields, timeMs: number): TransactionRow {
  const { recipients, client, sizeBytes } = record;
  const asked = Array.isArray(recipients) ? recipients : [];
  const to = asked.length > 0 ? text(fieldsOf(asked[0]).to) : undefined;
  const reply = replyOf(record);
  const { total: milliseconds } = millisecondsOf(record);
  return {
    id: text(record.id),
    time: new Date(timeMs).toISOString(),
    listener: text(record.listener),
    from: text(record.from),
    ...(to !== undefined && { to }),
    recipients: asked.length + (typeof record.moreRecipients === 'number' ? record.moreRecipients : 0),
    client: clientOf(fieldsOf(client)),
    results: Object.fromEntries(resultsOf(record)),
    disposition: text(record.disposition),
    ...(reply !== undefined && { reply }),
    replyClass: replyClassOf(record),
    ...(typeof sizeBytes === 'number' && { sizeBytes }),
    ...(typeof milliseconds === 'number' && { milliseconds }),
  };
}

/** As far as a summary knows it. */
export function rowOfStory(summary: StorySummary): TransactionRow {
  const { id, time, listener, from, recipients, results, disposition } = summary;
  return { id, time, listener, from, recipients, results, disposition };
}

/** Under what it counts, here as in the metrics. */
export function replyClassOf(record: TransactionFields): ReplyClass {
  return readReplyClass(record.replyClass);
}

/** Method and values. */
export function resultsOf(record: TransactionFields): [method: string, values: string][] {
  return Object.entries(fieldsOf(record.results))
    .slice(0, maxResults)
    .map(([method, values]) => [method, text(values)]);
}

/** Phase → milliseconds. */
export function millisecondsOf(record: TransactionFields): TransactionFields {
  return fieldsOf(record.milliseconds);
}

function replyOf(record: TransactionFields): string | undefined {
  const [digit = ''] = replyClassOf(record);
  const finals = textsOf(record.replies);
  const said = finals.length > 0 ? finals : repliesToRecipients(record);
  // Of so many recipients the record tells the first ones: what refused another one is in the class alone.
  const counted = said.find((reply) => reply.startsWith(digit)) ?? finals[0];
  if (counted !== undefined) return shorten(counted);
  return typeof record.aborted === 'string' ? shorten(record.aborted) : undefined;
}

function repliesToRecipients({ recipients }: TransactionFields): string[] {
  return Array.isArray(recipients) ? textsOf(recipients.map((each) => fieldsOf(each).reply)) : [];
}

function clientOf({ ip, name, helo }: TransactionFields): NonNullable<TransactionRow['client']> {
  return {
    ...(typeof ip === 'string' && { ip: shorten(ip) }),
    ...(typeof name === 'string' && { name: shorten(name) }),
    ...(typeof helo === 'string' && { helo: shorten(helo) }),
  };
}

function fieldsOf(value: unknown): TransactionFields {
  return isFields(value) ? value : {};
}

function isFields(value: unknown): value is TransactionFields {
  return typeof value === 'object' && value !== null;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? shorten(value) : '';
}

function shorten(value: string): string {
  return value.length > maxCharacters ? `${value.slice(0, maxCharacters)}...` : value;
}
