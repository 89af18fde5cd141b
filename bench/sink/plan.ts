// What the sink can be told: where it listens, what it offers, and how it misbehaves.
import { z } from 'zod';

const behaviour = {
  /** Which extensions EHLO and LHLO offer. */
  extensions: z
    .array(z.string())
    .default([
      'PIPELINING',
      'SIZE 104857600',
      '8BITMIME',
      'SMTPUTF8',
      'ENHANCEDSTATUSCODES',
      'DSN',
      'XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT',
    ]),
  /** Another reply for every n-th command of this kind. CONTENT is the end of the data. */
  refuse: z
    .array(
      z.strictObject({
        at: z.enum(['MAIL', 'RCPT', 'DATA', 'CONTENT']),
        reply: z.string(),
        every: z.number().int().min(1).default(1),
      }),
    )
    .default([]),
  slow: z
    .strictObject({
      /** Milliseconds before the replies to the end of data. */
      contentMs: z.number().min(0).default(0),
    })
    .prefault({}),
  /** What has to stand above each message's id; a message that lacks any of it is counted as lacking it. */
  above: z.array(z.string()).default([]),
};

/** May be changed while the sink runs. */
export const behaviourSchema = z.strictObject(behaviour);
export type Behaviour = z.infer<typeof behaviourSchema>;

export const sinkSchema = z.strictObject({
  /** `either`: LMTP for who says LHLO. */
  protocol: z.enum(['smtp', 'lmtp', 'either']).default('smtp'),
  /** Port on loopback; 0 for any that is free. */
  port: z.number().int().default(0),
  /** A file that gets a line for every message stored. */
  ledger: z.string().optional(),
  ...behaviour,
});
export type SinkPlan = z.infer<typeof sinkSchema>;
