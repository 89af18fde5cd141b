// Why TLS cannot be had, for people: OpenSSL's reason without places in its source, Node.js without what to call it with.

/** @returns such as `unsupported protocol`, `certificate has expired` */
export function tlsFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // OpenSSL's errors have it apart; elsewhere the whole text is about as long.
  if ('library' in error && 'reason' in error && typeof error.reason === 'string') return error.reason;
  return error.message.replace(/; if the root CA is installed locally, .*$/s, '');
}
