// A small strict reader of Authentication-Results (RFC 8601 §2.2), written from the grammar alone.
import assert from 'node:assert/strict';

export interface ReadResult {
  readonly method: string;
  readonly value: string;
  readonly reason?: string;
  readonly properties: readonly (readonly [name: string, value: string])[];
}

export interface ReadField {
  readonly authservId: string;
  /** Empty for `none`. */
  readonly results: readonly ReadResult[];
  /** What stands in comments, unescaped, in the order of the field. */
  readonly comments: readonly string[];
}

/** RFC 5322 §2.2.3: unfolding takes the CRLF before white space away, and nothing else. */
export function unfold(field: string): string {
  return field.replace(/\r\n(?=[ \t])/g, '').replace(/\r\n$/, '');
}

/**
 * Reads a field.
 *
 * @param body unfolded, without the field's name, Unicode
 * @throws {assert.AssertionError} for what is not in the grammar
 */
export function readResults(body: string): ReadField {
  const reader = new Reader(body);
  const field = reader.field();
  return { ...field, comments: reader.comments };
}

class Reader {
  readonly comments: string[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  field(): Omit<ReadField, 'comments'> {
    this.#blank();
    const authservId = this.#value();
    this.#blank();
    const results: ReadResult[] = [];
    while (this.#at < this.#text.length) {
      this.#take(/;/y, 'a semicolon');
      this.#blank();
      if (results.length === 0 && this.#ifThere(/none$/y)) return { authservId, results };
      results.push(this.#result());
    }
    assert.notEqual(results.length, 0, 'neither results nor none');
    return { authservId, results };
  }

  #result(): ReadResult {
    const method = this.#keyword();
    this.#take(/=/y, 'an equals sign');
    const value = this.#keyword();
    const properties: (readonly [string, string])[] = [];
    let reason: string | undefined;
    this.#blank();
    while (this.#at < this.#text.length && this.#text[this.#at] !== ';') {
      if (properties.length === 0 && reason === undefined && this.#ifThere(/reason=/y)) {
        reason = this.#value();
      } else {
        const ptype = this.#keyword();
        this.#take(/\./y, 'a dot');
        const property = this.#keyword();
        this.#take(/=/y, 'an equals sign');
        properties.push([`${ptype}.${property}`, this.#propertyValue()]);
      }
      this.#blank();
    }
    return { method, value, ...(reason !== undefined && { reason }), properties };
  }

  /** `value / [[local-part] "@"] domain-name`; a token may be a domain name already. */
  #propertyValue(): string {
    const identity = this.#ifThere(
      /(?:[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)?@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?=[ ;]|$)/y,
    );
    return identity ?? this.#value();
  }

  #value(): string {
    const quoted = this.#ifThere(/"(?:[^"\\\p{Cc}]|\\[^\p{Cc}])*"/uy);
    if (quoted !== undefined) return quoted.slice(1, -1).replace(/\\(.)/gu, '$1');
    return this.#take(/[^\s\p{Cc}()<>@,;:\\"/[\]?=\u0080-\u{10ffff}]+/uy, 'a token');
  }

  #keyword(): string {
    return this.#take(/[A-Za-z0-9-]*[A-Za-z0-9](?![A-Za-z0-9-])/y, 'a keyword');
  }

  #blank(): void {
    while (this.#ifThere(/ +/y) !== undefined || this.#comment());
  }

  #comment(): boolean {
    const comment = this.#ifThere(/\((?:[^()\\\p{Cc}]|\\[^\p{Cc}])*\)/uy);
    if (comment !== undefined) this.comments.push(comment.slice(1, -1).replace(/\\(.)/gu, '$1'));
    return comment !== undefined;
  }

  #take(pattern: RegExp, what: string): string {
    const found = this.#ifThere(pattern);
    assert.ok(found !== undefined, `expected ${what} at ${JSON.stringify(this.#text.slice(this.#at))}`);
    return found;
  }

  #ifThere(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }
}
