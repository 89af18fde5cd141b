// The kinds of values that rules are made of, each read from its text.
import { z } from 'zod';
import { domainPatternForm, parseDomainPattern } from '../smtp/domains.ts';
import { Networks } from '../smtp/networks.ts';

/** What is wrong with a value, and what is expected instead. */
export function unlike(value: unknown, form: string): string {
  if (value === undefined) return `missing; expected ${form}`;
  if (value === null) return `is empty; expected ${form}`;
  const shown = typeof value === 'object' ? 'this' : String(JSON.stringify(value)).slice(0, 80);
  return `${shown} is not possible here; expected ${form}`;
}

/** A text that is read by `parse`, which gives undefined for what it does not understand. */
export function text<T>(form: string, parse: (value: string) => T | undefined) {
  return z.string({ error: ({ input }) => unlike(input, form) }).transform((value, context): T => {
    const parsed = parse(value);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: 'custom', message: unlike(value, form) });
    return z.NEVER;
  });
}

/** One value, or a list of them; always a list afterwards. */
export function oneOrMore<T extends z.ZodType>(item: T) {
  return z
    .union([item, z.array(item).min(1).max(10_000)])
    .transform((value): readonly z.output<T>[] =>
      Array.isArray(value) ? (value as z.output<T>[]) : [value as z.output<T>],
    );
}

/** A network or an address, checked and kept as written. */
export const network = text('an address or a network such as 192.0.2.0/24 or "2001:db8::/32"', (value) => {
  try {
    new Networks([value]);
    return value;
  } catch {
    return undefined;
  }
});

/** A domain, or one with all below it. */
export const domainPattern = text(domainPatternForm, parseDomainPattern);

/** The null reverse-path, an address, or domains. An address may have `*` in it, but whoever writes one means any: a domain. */
export const senderPattern = text(`${domainPatternForm}, an address, or "<>"`, (value) => {
  if (value === '<>') return value;
  const [, local, domain = value] = /^([^\s\p{Cc}<>@*]{1,64})@([^@]+)$/u.exec(value) ?? [];
  const pattern = parseDomainPattern(domain);
  if (local === undefined) return pattern;
  return pattern === undefined || pattern.startsWith('.') ? undefined : `${local.toLowerCase()}@${pattern}`;
});

/** What a client calls itself, which need not be a domain. */
export const heloPattern = text(
  'a name as the client says it, or .example.com for example.com and its subdomains',
  (value) => (/^[\x21-\x7e]{1,255}$/.test(value) ? value.toLowerCase().replace(/\.$/, '') : undefined),
);

const dayMs = 86_400_000;

/** A day, which counts to its end in UTC, or a moment with its time zone. */
export const moment = text(
  'a day such as 2026-12-31 (to its end, UTC), or a time such as 2026-12-31T18:00:00Z',
  (value): Date | undefined => {
    const [, day, time] =
      /^([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2}))?$/.exec(
        value,
      ) ?? [];
    if (day === undefined) return undefined;
    const begin = Date.parse(`${day}T00:00:00Z`);
    // The 31st of February would be the 3rd of March.
    if (Number.isNaN(begin) || !new Date(begin).toISOString().startsWith(day)) return undefined;
    const end = time === undefined ? begin + dayMs : Date.parse(value);
    return Number.isNaN(end) ? undefined : new Date(end);
  },
);
