// x-reply-to: whether replies would go to somebody else than the author; see ../custom-checks.md.

/**
 * The domain of the first address in a field; '' for none.
 *
 * @param {import('postern').HeaderField} field
 */
function domainIn(field) {
  const body = field.raw.toString('latin1').slice(field.raw.indexOf(':') + 1, 2000);
  return (/@([a-z0-9.-]{1,255})/i.exec(body)?.[1] ?? '').toLowerCase();
}

/** @type {(header: readonly import('postern').HeaderField[], name: string) => import('postern').HeaderField | undefined} */
const named = (header, name) => header.find((field) => field.name.toLowerCase() === name);

/** @type {import('postern').CustomCheck<{ quarantine: boolean, closed: readonly string[] }>} */
const replyTo = {
  name: 'x-reply-to',

  // One's own people may write what they like.
  skippedFor: ['authenticated', 'trusted', 'local'],

  // Nobody else may write this one: those that messages bring along are removed.
  ownFields: ['X-Replies-Go-To'],

  schema: (z) =>
    z.strictObject({
      quarantine: z.boolean().prefault(false),
      closed: z.array(z.string()).prefault([]),
    }),

  // Refused at once, before the message comes: nobody outside may write to these addresses.
  rcpt({ recipient }, { closed }) {
    if (!closed.includes(recipient.toLowerCase())) return undefined;
    const reason = `${recipient} takes no mail from outside`;
    return { disposition: { kind: 'reject', reason, code: 550, enhancedCode: '5.7.2' } };
  },

  // The header section is complete: compare, write down a result, and leave a note for later.
  endOfHeaders({ header, notes, explain }) {
    const author = named(header, 'from');
    const replies = named(header, 'reply-to');
    if (!author || !replies) return [{ method: 'x-reply-to', value: 'none', properties: [] }];
    const domains = { author: domainIn(author), replies: domainIn(replies) };
    explain('domains', domains);
    const same = domains.author === domains.replies;
    notes.set('x-reply-to.differs', !same);
    const properties = [{ ptype: 'header', property: 'reply-to', value: domains.replies }];
    return {
      results: [{ method: 'x-reply-to', value: same ? 'pass' : 'fail', properties }],
      fields: same ? [] : [{ name: 'X-Replies-Go-To', value: domains.replies }],
    };
  },

  // All results are there, DMARC's too: an author who proved who he is may have replies go anywhere.
  endOfMessage({ results, notes }, { quarantine }) {
    const proven = results.some(({ method, value }) => method === 'dmarc' && value === 'pass');
    if (!quarantine || proven || notes.get('x-reply-to.differs') !== true) return undefined;
    return { disposition: { kind: 'quarantine', reason: 'replies would not go to the author' } };
  },
};

export default replyTo;
