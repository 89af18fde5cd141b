// Files that BIMI needs, kept for a while: brands send many messages, and their web servers should not notice.
import { LRUCache } from 'lru-cache';
import {
  AddressError,
  type Download,
  type DownloadContext,
  DownloadError,
  type DownloadLimits,
} from './download.ts';

/** A brand changes its mark less often than that. */
const maxAgeMs = 3_600_000;
/** A web server in trouble is asked again soon, but not by every message. */
const failureAgeMs = 60_000;
const maxBytes = 16 * 2 ** 20;
const overheadBytes = 1024;
/** Each holds a socket for up to the time limit, and strangers cause them. */
const maxOpen = 20;

type Entry = Buffer | DownloadError;

/** Fetched files and failures by URL, bounded in bytes, age and downloads at a time. */
export class BimiFiles {
  readonly #download: Download;
  readonly #cache = new LRUCache<string, Entry>({
    maxSize: maxBytes,
    sizeCalculation: (entry, url) =>
      overheadBytes + 2 * url.length + (Buffer.isBuffer(entry) ? entry.length : 0),
    ttl: maxAgeMs,
  });
  /** Settle when the download of that URL has ended, whatever came of it. */
  readonly #open = new Map<string, Promise<void>>();

  constructor(download: Download) {
    this.#download = download;
  }

  /** @throws {DownloadError} */
  async get(url: string, limits: DownloadLimits, context: DownloadContext): Promise<Buffer> {
    for (;;) {
      const kept = this.#cache.get(url);
      if (Buffer.isBuffer(kept)) return kept;
      if (kept) throw kept;
      const open = this.#open.get(url);
      if (!open) break;
      await unlessAborted(open, context.signal);
    }
    if (this.#open.size >= maxOpen) throw new DownloadError('too many downloads at a time', true);
    const ended = Promise.withResolvers<void>();
    this.#open.set(url, ended.promise);
    try {
      const file = await this.#download(url, limits, context);
      this.#cache.set(url, file);
      return file;
    } catch (error) {
      const failure = error instanceof DownloadError ? error : new DownloadError(String(error), true);
      // Nobody waited for it any more, or nobody was asked: that says nothing about the web server.
      const known = !context.signal.aborted && !(failure instanceof AddressError);
      if (known) this.#cache.set(url, failure, { ttl: failureAgeMs });
      throw failure;
    } finally {
      this.#open.delete(url);
      ended.resolve();
    }
  }
}

/** @throws {DownloadError} when nobody waits any more */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(new DownloadError('not complete in time', true));
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
