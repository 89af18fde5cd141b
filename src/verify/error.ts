// Why there is no verdict: the command line or the input.
import { printable } from '../printable.ts';

/**
 * Nothing was judged: `usage`, the command line asks for what there is not; `noInput`, there is no message,
 * or it can't be read; `data`, the proxy would refuse the message before it judges it.
 */
export class VerifyError extends Error {
  override readonly name = 'VerifyError';
  readonly kind: 'usage' | 'noInput' | 'data';

  /** @param message may hold what strangers wrote: it is made safe for a terminal */
  constructor(kind: VerifyError['kind'], message: string) {
    super(printable(message));
    this.kind = kind;
  }
}
