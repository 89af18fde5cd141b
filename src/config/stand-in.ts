// A listener for configurations that describe none: messages can be judged without one (`postern verify`).
import { valueAt } from './mistakes.ts';
import type { Source } from './source.ts';

/** Before-queue, so that a rejection shows as one; nothing ever listens or connects. */
const listener = {
  name: 'default',
  listen: '127.0.0.1:25',
  mode: 'before-queue',
  destinations: ['smtp://127.0.0.1:26'],
};

/** @returns the source, with a listener where it has no word about any */
export function withListener(source: Source): Source {
  const value = source.value ?? {};
  if (typeof value !== 'object' || Array.isArray(value) || valueAt(value, 'listeners') !== undefined)
    return source;
  return { ...source, value: { ...value, listeners: [listener] } };
}
