// One message judged without SMTP: by the very checks and policy that its listener has.
import type { Client, Outcome } from '../authentication/authentication.ts';
import type { Configuration, ListenerConfiguration } from '../config/configuration.ts';
import { Resolver } from '../dns/resolver.ts';
import type { HeaderField } from '../message/header-section.ts';
import { buildAuthentication, buildPolicy } from '../pipeline.ts';
import type { Decision } from '../policy/policy.ts';
import { describeReply } from '../smtp/reply.ts';
import type { Message } from './input.ts';

/** What is asked about. */
export interface Question {
  readonly message: Message;
  readonly client: Client;
  /** Without angle brackets, bytes as latin1 string; '' for the null reverse-path. */
  readonly reversePath: string;
  /** Likewise. */
  readonly recipients: readonly string[];
  readonly smtputf8: boolean;
}

/** A field of the message that does not go on as it came. */
export interface RewrittenField {
  readonly field: HeaderField;
  /** What stands in its place; empty: nothing. */
  readonly instead: Buffer;
}

/** What the proxy would make of the message. */
export interface Judgement {
  readonly question: Question;
  readonly listener: string;
  readonly outcome: Outcome;
  readonly decision: Decision;
  /** Complete fields that would be added, newest first; latin1 strings, each with its CRLF. */
  readonly fields: readonly string[];
  readonly rewritten: readonly RewrittenField[];
  /** Commands that a check of the administrator's own would have refused, with the replies. */
  readonly refused: readonly { readonly command: string; readonly reply: string }[];
}

/** What is written of the body at once. */
const chunkBytes = 64 * 1024;

/**
 * Judges a message as a listener's.
 *
 * @param given.explain whether the outcome tells the whole story
 * @param given.report is told when a check throws
 */
export async function verify(
  configuration: Configuration,
  listener: ListenerConfiguration,
  question: Question,
  given: { readonly explain: boolean; report(error: unknown, check: string): void },
): Promise<Judgement> {
  const resolver = new Resolver(configuration.dns);
  const policy = buildPolicy(configuration);
  const { client, message, recipients, reversePath, smtputf8 } = question;
  const run = buildAuthentication(configuration, listener, { ...given, resolver }).begin({
    client,
    smtputf8,
  });
  try {
    const refused: { command: string; reply: string }[] = [];
    const hear = async (command: string, said: ReturnType<typeof run.mail>): Promise<boolean> => {
      const proposal = await said;
      const refusal = proposal && policy.decideEarly(proposal, listener.mode);
      if (refusal) refused.push({ command, reply: describeReply(refusal.reply) });
      return refusal === undefined;
    };
    await hear(`MAIL FROM:<${reversePath}>`, run.mail(reversePath));
    for (const recipient of recipients) {
      if (await hear(`RCPT TO:<${recipient}>`, run.rcpt(recipient))) run.accepted(recipient);
    }
    run.header(message.header.fields);
    for (let at = 0; at < message.body.length; at += chunkBytes) {
      run.body(message.body.subarray(at, at + chunkBytes));
    }
    const outcome = await run.finish();
    const { mode, name } = listener;
    const header = message.header.fields;
    const decision = policy.decide({ outcome, mode, listener: name, reversePath, header });
    const { disposition } = decision;
    const quarantine = disposition.kind === 'quarantine' ? disposition.fields : [];
    return {
      question,
      listener: name,
      outcome,
      decision,
      fields: [...outcome.fields, ...quarantine],
      rewritten: message.header.fields.flatMap((field) => {
        const instead = outcome.rewrite(field.name, field.raw);
        return instead === undefined ? [] : [{ field, instead }];
      }),
      refused,
    };
  } finally {
    run.abort();
    resolver.close();
  }
}
