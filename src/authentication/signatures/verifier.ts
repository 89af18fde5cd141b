// Takes one message: its fields are read, and its body is hashed while it arrives, for all that may be asked later.

import type { ResolveFunction } from '../../dns/resolver.ts';
import { messageSignatureOf, readArcSets } from '../arc/sets.ts';
import { readAuthors } from '../dmarc/authors.ts';
import type { HeaderField } from '../subject.ts';
import { type BodyCoverage, BodyHasher, coverageKey } from './body-hash.ts';
import { headerRows } from './header-rows.ts';
import { prefetch } from './prefetch.ts';
import { prepareArc, prepareDkim } from './signature-field.ts';
import { MessageVerification, type SignatureName, type Verification } from './verification.ts';

/** So many signatures of one name can be verified, from the top. */
export const mostSignatures = 50;

const sealCoverage: BodyCoverage = { canonicalization: 'relaxed', algorithm: 'sha256' };

/** A message whose header section is known. */
export interface IncomingMessage {
  readonly header: readonly HeaderField[];
  /** Asks for keys, unless a check does so itself. */
  readonly resolve: ResolveFunction;
  /** When signatures have to be valid. */
  readonly now: Date;
}

/** One message. */
export class Verifier {
  readonly #message;
  readonly #body: BodyHasher;

  constructor({ header, resolve, now }: IncomingMessage) {
    const rows = headerRows(header);
    const rowsByName = Map.groupBy(rows, ({ key }) => key);
    const prepared = (name: SignatureName) =>
      (rowsByName.get(name) ?? []).slice(0, mostSignatures).map((row) => prepareDkim(row));
    const arc = readArcSets(rows);
    const authors = readAuthors(rowsByName.get('from') ?? []);
    const dkim = prepared('dkim-signature');
    prefetch({ signatures: dkim, arc, authors }, resolve);
    this.#message = {
      now,
      resolve,
      rows,
      rowsByName,
      authors,
      signatures: {
        'dkim-signature': dkim,
        'x-google-dkim-signature': prepared('x-google-dkim-signature'),
      },
      arc,
      messageSignatures: (arc.chain || []).map((set) => prepareArc(messageSignatureOf(set))),
    };
    const { signatures, messageSignatures } = this.#message;
    const coverages = [...Object.values(signatures).flat(), ...messageSignatures].map((each) =>
      each.kind === 'signature' ? each.coverage : undefined,
    );
    this.#body = new BodyHasher([sealCoverage, ...coverages.filter((coverage) => coverage !== undefined)]);
  }

  /** @param chunk the next bytes of the body */
  update(chunk: Buffer): void {
    this.#body.update(chunk);
  }

  /** The message is complete. */
  finish(): Verification {
    const bodyHashes = this.#body.finish();
    const bodyHash = bodyHashes.get(coverageKey(sealCoverage))?.hash ?? '';
    return new MessageVerification({ ...this.#message, bodyHashes, bodyHash });
  }
}
