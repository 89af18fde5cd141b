// The reasoning of the checks as text: what each asked, what it heard, what it found out, and its results.

import type { Result } from '../authentication/result.ts';
import {
  askedAhead,
  type CheckExplanation,
  type ExplainedQuestion,
  type Explanation,
} from '../authentication/story/explanation.ts';
import type { Plain } from '../authentication/story/plain.ts';
import { describeFailure } from '../dns/failures.ts';
import { wrap } from '../printable.ts';

const width = 100;

/** @returns lines without their ends, safe for a terminal */
export function explain(explanation: Explanation): string[] {
  const told = explanation.filter(({ skippedFor }) => skippedFor === undefined);
  const skipped = explanation.filter(({ skippedFor }) => skippedFor !== undefined);
  const [first] = skipped;
  const names = skipped.map(({ check }) => check).join(', ');
  return [
    ...told.flatMap((each) => (each.check === askedAhead ? explainReading(each, told) : explainCheck(each))),
    ...(first
      ? ['', ...wrap('skipped: ', `${names}: not for a client of class ${first.skippedFor}`, width)]
      : []),
  ];
}

/** What was asked before a check asked for it; answers are told where a check heard them. */
function explainReading({ questions, omitted }: CheckExplanation, checks: Explanation): string[] {
  const heard = new Set(
    checks.filter(({ check }) => check !== askedAhead).flatMap((each) => each.questions.map(questionKey)),
  );
  const lines = questions.flatMap((question) =>
    heard.has(questionKey(question))
      ? explainQuestion({ ...question, answer: [] })
      : explainQuestion(question),
  );
  if (lines.length === 0) return [];
  return ['', 'asked ahead, while the message arrived', ...lines, ...sayOmitted(omitted)];
}

function questionKey({ type, name }: ExplainedQuestion): string {
  return `${type} ${name.toLowerCase()}`;
}

function sayOmitted(omitted = 0): string[] {
  return omitted > 0 ? [`  ... and ${omitted} more questions and facts`] : [];
}

function explainCheck({ check, questions, facts, omitted, results }: CheckExplanation): string[] {
  const lines = [
    ...questions.flatMap(explainQuestion),
    ...facts.flatMap(({ fact, value }) => explainValue(`  ${fact}:`, value, 4)),
    ...sayOmitted(omitted),
    ...results.flatMap((result) => wrap('  => ', describeResult(result), width)),
  ];
  return ['', check, ...(lines.length > 0 ? lines : ['  nothing to say'])];
}

function explainQuestion(question: ExplainedQuestion): string[] {
  const { name, type, startMilliseconds, milliseconds, answer = [], failure } = question;
  const heard = failure === undefined ? answers(answer) : [describeFailure(failure)];
  return [
    ...wrap('  asked ', `${type} ${name} (at ${startMilliseconds} ms, took ${milliseconds} ms)`, width),
    ...heard.flatMap((text) => wrap('    ', text, width)),
  ];
}

function answers(answer: Plain): string[] {
  return isList(answer) ? answer.map(oneAnswer) : [];
}

/** A record as zone files write it; the strings of a TXT are one text (RFC 7208 §3.3, RFC 6376 §3.6.2.2). */
function oneAnswer(answer: Plain): string {
  if (!isNested(answer)) return String(answer);
  if (isList(answer)) return `"${answer.join('')}"`;
  return Object.values(answer).reverse().join(' ');
}

/** A value beside its name when it is one, else below it, deeper. */
function explainValue(label: string, value: Plain, indent: number): string[] {
  if (!isNested(value)) return wrap(`${label} `, String(value ?? 'none'), width);
  const lines = explainParts(value, indent);
  return lines.length > 0 ? [...wrap('', label, width), ...lines] : wrap(`${label} `, 'none', width);
}

/** The items of a list, or the parts of an object. */
function explainParts(value: Nested, indent: number): string[] {
  const blanks = ' '.repeat(indent);
  if (!isList(value)) {
    return Object.entries(value).flatMap(([key, each]) =>
      explainValue(`${blanks}${words(key)}:`, each, indent + 2),
    );
  }
  return value.flatMap((each) => {
    const parts = isNested(each) ? explainParts(each, indent + 2) : [];
    const [first, ...others] = parts;
    if (first !== undefined) return [`${blanks}- ${first.trimStart()}`, ...others];
    return wrap(`${blanks}- `, isNested(each) ? 'none' : String(each ?? 'none'), width);
  });
}

/** `bodyHash` is a name for programs. */
function words(key: string): string {
  return /^[a-z]+(?:[A-Z][a-z]+)+$/.test(key)
    ? key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    : key;
}

type Nested = Extract<Plain, object>;

function isNested(value: Plain): value is Nested {
  return typeof value === 'object' && value !== null;
}

function isList(value: Plain): value is readonly Plain[] {
  return Array.isArray(value);
}

function describeResult({ method, value, comment, reason, properties }: Result): string {
  const words = properties.map((each) => {
    const note = each.comment === undefined ? '' : ` (${each.comment})`;
    return `${each.ptype}.${each.property}=${each.value}${note}`;
  });
  return [
    `${method}=${value}`,
    ...(comment === undefined ? [] : [`(${comment})`]),
    ...(reason === undefined ? [] : [`reason="${reason}"`]),
    ...words,
  ].join(' ');
}
