// Who may look: whoever is on this machine, or whoever shows the token.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type HttpAnswer, textAnswer } from './route.ts';

const cookieName = 'postern';
const cookieSeconds = 30 * 24 * 60 * 60;

/** What a browser may ask for by itself when it has been led to another name for this machine. */
const loopbackHost = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?$/i;

/**
 * The rule for all that tells of mail.
 *
 * @param token who shows it may look; without one, it is the address that lets nobody in from elsewhere
 * @returns what to answer instead of what was asked for; undefined: go on
 */
export function accessRule(
  token: string | undefined,
): (request: IncomingMessage, url: URL) => HttpAnswer | undefined {
  if (token === undefined) return onlyByOwnName;
  // Not the token itself: what a browser keeps should be of no use for anything else.
  const cookie = createHmac('sha256', token).update('cookie').digest('base64url');
  return (request, url) => {
    const shown = url.searchParams.get('token');
    if (shown !== null && isSame(shown, token)) return welcome(url, cookie);
    const bearer = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer !== undefined && isSame(bearer, token)) return undefined;
    const kept = cookieOf(request);
    if (kept !== undefined && isSame(kept, cookie)) return undefined;
    return textAnswer(401, 'A token is needed: send it as "Authorization: Bearer ...", or open /?token=...', {
      'WWW-Authenticate': 'Bearer realm="postern"',
    });
  };
}

/** A page from elsewhere whose name leads here (DNS rebinding) must not read what its visitor may. */
function onlyByOwnName(request: IncomingMessage): HttpAnswer | undefined {
  const { host } = request.headers;
  if (host === undefined || loopbackHost.test(host)) return undefined;
  return textAnswer(
    421,
    'Without a token this is to be asked for by an address of loopback, or as localhost.',
  );
}

/** The same page without the token in its address, where it would stay in histories and logs. */
function welcome(url: URL, cookie: string): HttpAnswer {
  const { pathname, searchParams } = url;
  searchParams.delete('token');
  const rest = searchParams.size > 0 ? `?${searchParams}` : '';
  return textAnswer(303, 'See the same page without the token.', {
    // Only a path of ours: two slashes would lead to another host.
    Location: `${pathname.replace(/^[/\\]+/, '/')}${rest}`,
    'Set-Cookie': `${cookieName}=${cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${cookieSeconds}`,
  });
}

function cookieOf(request: IncomingMessage): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1);
}

/** Takes as long for any text, so that nobody can find it piece by piece. */
function isSame(shown: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(shown), digest(wanted));
}
