// Why nothing was sent: the command line or the message.

/** `usage`: the command line asks for what there is not; `noInput`: the message cannot be read; `data`: it is no message. */
export class SendError extends Error {
  override readonly name = 'SendError';
  readonly kind: 'usage' | 'noInput' | 'data';

  constructor(kind: SendError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}
