// What `postern top` reads of the status API's answers; whoever answers, nothing is believed before it was looked at.
import { z } from 'zod';

const amount = z.number().nonnegative();
const counts = z.record(z.string(), amount);

const listener = z.object({
  name: z.string(),
  mode: z.string(),
  connections: amount,
  pool: z.object({ size: amount, idle: amount, busy: amount, waiting: amount, failures: amount }),
  destinations: z.array(z.string()),
  reachable: z.boolean(),
});

const worker = z.object({
  listeners: z.array(listener),
  eventLoop: z.object({ p50: amount, p99: amount }),
});

const window = z.object({
  seconds: amount,
  transactions: amount,
  perSecond: amount,
  dispositions: counts,
  replies: counts,
});

const percentiles = z.object({ p50: amount, p90: amount, p99: amount, max: amount });

/** `/api/status`, as far as it is shown. */
export const statusAnswer = z.object({
  time: z.string(),
  ready: z.boolean(),
  problems: z.array(z.object({ severity: z.string(), text: z.string() })),
  workers: z.array(worker),
  totals: z.object({
    dns: z.object({
      zone: amount,
      cached: amount,
      joined: amount,
      network: amount,
      failed: amount,
      entries: amount,
    }),
    spool: z.object({ memoryBytes: amount, diskBytes: amount, messages: amount }),
    residentBytes: amount,
  }),
  rates: z.object({
    now: window,
    minute: window,
    quarterHour: window,
    results: z.record(z.string(), counts),
    latency: z.record(z.string(), percentiles),
  }),
});
export type Status = z.output<typeof statusAnswer>;
export type Listener = z.output<typeof listener>;

const row = z.object({
  time: z.string(),
  from: z.string(),
  to: z.string().optional(),
  recipients: amount,
  results: z.record(z.string(), z.string()),
  disposition: z.string(),
  reply: z.string().optional(),
});

/** `/api/transactions`, as far as it is shown. */
export const transactionsAnswer = z.object({ transactions: z.array(row) });
export type Row = z.output<typeof row>;
