// What the load generator can be told: whom it connects to, how often, and what it sends.
import { z } from 'zod';

const attributes = z.record(z.string(), z.string());

/** One run. */
export const loadSchema = z
  .strictObject({
    /** `127.0.0.1:10025`, or `unix:/path`. */
    to: z.string(),
    protocol: z.enum(['smtp', 'lmtp']).default('smtp'),
    /** Files with one message each, with or without CRLF line ends; they are sent in turn. */
    messages: z.array(z.string()).min(1),
    connections: z.number().int().min(1).default(1),
    /** Messages of the whole run; null for no limit. */
    count: z.number().int().min(0).nullable().default(null),
    /** No message is begun after this many seconds; null for no limit. */
    seconds: z.number().min(0).nullable().default(null),
    /** Messages per second of the whole run, evenly spaced; null for as fast as replies come. */
    rate: z.number().positive().nullable().default(null),
    /**
     * After so many messages a connection ends, and another one takes its place: 1 is what smtpd(8) does before the
     * queue; null for connections that stay.
     */
    messagesPerConnection: z.number().int().min(1).nullable().default(null),
    /** XFORWARD, MAIL, RCPT and DATA in one write where PIPELINING is offered; else one command at a time. */
    pipelining: z.boolean().default(true),
    /** XFORWARD attributes of every message; null for no XFORWARD. `ID` in a value is the message's id. */
    xforward: attributes.nullable().default(null),
    mailFrom: z.string().default('<alice@example.com>'),
    rcptTo: z.array(z.string()).min(1).default(['<bob@example.net>']),
    /** Whether a refusal is counted and the connection goes on, or any reply but the one that is hoped for ends it. */
    refusals: z.enum(['counted', 'errors']).default('counted'),
    /** A file that gets a line for every message that was begun. */
    ledger: z.string().optional(),
    /** Begins every id of the run. */
    idPrefix: z.string().default('m'),
    /**
     * Says `{"event":"connected","greeted":N}` when every connection has been greeted or has failed, and
     * waits for the line `go`.
     */
    waitForGo: z.boolean().default(false),
    /** What follows a connection that ended or failed: another one, or the end of that one's messages. */
    onFailure: z.enum(['reconnect', 'stop']).default('stop'),
    /** Seconds to wait for any reply. */
    patience: z.number().positive().default(60),
    /** Seconds between lines `{"event":"interval", …}` with the figures since the last one; null for none. */
    interval: z.number().positive().nullable().default(null),
  })
  .refine(({ count, seconds }) => count !== null || seconds !== null, 'count or seconds has to be given');
export type LoadPlan = z.infer<typeof loadSchema>;
