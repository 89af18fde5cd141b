// What became of one message of the demo: seen from both ends and in Postern's log, and told in a few lines.
import { HeaderCollector, type HeaderField } from '../message/header-section.ts';
import type { DemoMessage, DemoMode, Fate } from './messages.ts';

export interface DemoOutcome {
  /** Method → value, from the log. */
  readonly found: Readonly<Record<string, string>>;
  readonly added: readonly HeaderField[];
  readonly removed: readonly HeaderField[];
  readonly fate: Fate;
  /** The reply that upstream got. */
  readonly reply: string;
}

/** The fields of a message. */
function fieldsOf(message: Buffer): readonly HeaderField[] {
  const collector = new HeaderCollector(message.length);
  collector.push(message);
  return collector.section().fields;
}

/**
 * Compares what was sent with what arrived.
 *
 * @param arrived undefined when nothing did
 */
export function judge(
  sent: DemoMessage,
  arrived: Buffer | undefined,
  seen: { readonly found: Readonly<Record<string, string>>; readonly reply: string },
): DemoOutcome {
  if (!arrived) return { ...seen, added: [], removed: [], fate: 'refused' };
  const before = fieldsOf(sent.bytes);
  const after = fieldsOf(arrived);
  const added = after.filter((field) => !before.some((other) => other.raw.equals(field.raw)));
  const removed = before.filter((field) => !after.some((other) => other.raw.equals(field.raw)));
  const quarantined = added.some((field) => field.name === 'X-Disposition-Quarantine');
  return { ...seen, added, removed, fate: quarantined ? 'delivered, marked for quarantine' : 'delivered' };
}

/** What is not as it should be; empty when all is well. */
export function mistakes({ expected }: DemoMessage, mode: DemoMode, outcome: DemoOutcome): string[] {
  const wrong: string[] = [];
  for (const [method, value] of Object.entries(expected.found)) {
    if (outcome.found[method] !== value) wrong.push(`expected ${method}=${value}`);
  }
  const fate = expected.fate[mode];
  if (outcome.fate !== fate) wrong.push(`expected it to be ${fate}`);
  if (fate === 'refused') return wrong;
  const removed = outcome.removed.map((field) => field.name);
  if (removed.join() !== expected.removed.join())
    wrong.push(`expected to be removed: ${expected.removed.join() || 'nothing'}`);
  for (const name of ['Authentication-Results', 'Received']) {
    if (!outcome.added.some((field) => field.name === name)) wrong.push(`expected an added ${name}`);
  }
  return wrong;
}

/** The lines that are printed for one mode. */
export function tell(mode: DemoMode, outcome: DemoOutcome, wrong: readonly string[]): string {
  const found = Object.entries(outcome.found).map(([method, value]) => `${method}=${value}`);
  const rows: [string, readonly string[]][] = [['found', [found.join('  ')]]];
  if (outcome.fate !== 'refused') {
    rows.push(['added', outcome.added.flatMap(linesOf)]);
    rows.push(['removed', outcome.removed.length > 0 ? outcome.removed.flatMap(linesOf) : ['nothing']]);
  }
  rows.push(['outcome', [`${outcome.fate.toUpperCase()}: ${outcome.reply}`]]);
  if (wrong.length > 0) rows.push(['WRONG', wrong]);
  return [
    `  ${mode}`,
    ...rows.flatMap(([label, lines]) => lines.map((line, i) => row(i === 0 ? label : '', line))),
  ].join('\n');
}

/** One labelled line. */
export function row(label: string, text: string): string {
  return `    ${label.padEnd(9)} ${text}`;
}

function linesOf(field: HeaderField): string[] {
  return field.raw.toString('utf8').trimEnd().split('\r\n');
}
