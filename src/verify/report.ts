// What was found, told: as text for people, as one JSON object for programs.
import type { Client } from '../authentication/authentication.ts';
import type { Disposition } from '../policy/disposition.ts';
import { printable, printableJson, wrap } from '../printable.ts';
import { describeReply } from '../smtp/reply.ts';
import { explain } from './explain.ts';
import { type Verdict, verdictOf } from './verdict.ts';
import type { Judgement, RewrittenField } from './verify.ts';

const width = 100;

/** The fields as they would be added, what else would be done, and where it was asked for, why. */
export function reportText(judgement: Judgement, withExplanation: boolean): string {
  const { fields, rewritten, refused, decision, outcome } = judgement;
  const notes = [
    ...refused.flatMap(({ command, reply }) => wrap('refused: ', `${utf8(command)}: ${utf8(reply)}`, width)),
    ...rewritten.flatMap(reportRewritten),
    ...reportDisposition('disposition', decision.disposition),
    ...(decision.dry ? reportDisposition('without dryRun', decision.dry) : []),
  ];
  const reasoning = withExplanation
    ? [
        '',
        ...reportQuestion(judgement),
        ...explain(outcome.explanation ?? []),
        '',
        ...wrap('verdict: ', sayVerdict(verdictOf(outcome.results)), width),
      ]
    : [];
  const lines = [...fields.flatMap(fieldLines), ...(notes.length > 0 ? ['', ...notes] : []), ...reasoning];
  return lines.map((line) => `${line}\n`).join('');
}

/** The same as one object, in one line. */
export function reportJson(judgement: Judgement, withExplanation: boolean): string {
  const { question, listener, outcome, decision, fields, rewritten, refused } = judgement;
  const { results, client, clientClass, listMail, dmarc, explanation } = outcome;
  const { verdict, because } = verdictOf(results);
  return `${printableJson({
    verdict,
    because,
    listener,
    client,
    clientClass,
    from: utf8(question.reversePath),
    to: question.recipients.map(utf8),
    results,
    ...(dmarc && { dmarc }),
    listMail,
    fields: fields.map(utf8),
    removed: rewritten.map(({ field, instead }) => ({
      field: field.raw.toString(),
      ...(instead.length > 0 && { instead: instead.toString() }),
    })),
    refused: refused.map(({ command, reply }) => ({ command: utf8(command), reply: utf8(reply) })),
    disposition: plainDisposition(decision.disposition),
    ...(decision.dry && { dry: plainDisposition(decision.dry) }),
    ...(withExplanation && { explanation: explanation ?? [] }),
  })}\n`;
}

function sayVerdict({ verdict, because }: Verdict): string {
  return `${verdict} (${because})`;
}

function reportQuestion({ question, listener, outcome }: Judgement): string[] {
  const { reversePath, recipients } = question;
  const to = recipients.map((recipient) => `, RCPT TO:<${utf8(recipient)}>`).join('');
  return [
    ...wrap('listener: ', listener, width),
    ...wrap('client: ', `${describeClient(outcome.client)} (${outcome.clientClass})`, width),
    ...wrap('envelope: ', `MAIL FROM:<${utf8(reversePath)}>${to}`, width),
    ...(outcome.listMail ? ['list mail: yes'] : []),
  ];
}

function describeClient({ ip, helo }: Client): string {
  return `${ip ?? 'address not known'}, ${helo === undefined ? 'HELO not known' : `HELO ${helo}`}`;
}

function reportRewritten({ field, instead }: RewrittenField): string[] {
  const removed = labelled('removed: ', field.raw.toString());
  return instead.length === 0 ? removed : [...removed, ...labelled('  kept as: ', instead.toString())];
}

/** A field's lines below each other. */
function labelled(label: string, field: string): string[] {
  const blanks = ' '.repeat(label.length);
  return fieldLines(Buffer.from(field).toString('latin1')).map(
    (line, i) => (i === 0 ? label : blanks) + line,
  );
}

/** To accept a message goes without saying, unless something else would have been done. */
function reportDisposition(label: string, disposition: Disposition): string[] {
  const { kind, reason, reply } = plainDisposition(disposition);
  if (kind === 'accept' && reason === undefined) return [];
  const why = reason === undefined ? [] : [`(${reason})`];
  return wrap(`${label}: `, [kind, ...(reply === undefined ? [] : [reply]), ...why].join(' '), width);
}

function plainDisposition(disposition: Disposition): { kind: string; reason?: string; reply?: string } {
  const { kind, reason } = disposition;
  return {
    kind,
    ...(reason !== undefined && { reason }),
    ...('reply' in disposition && { reply: utf8(describeReply(disposition.reply)) }),
  };
}

/** The lines of a complete field, latin1, as a terminal may see them. */
function fieldLines(field: string): string[] {
  return utf8(field)
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .map(printable);
}

/** Bytes as latin1 string, read as what they are today. */
function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
