// Names and addresses: domains, networks, destinations.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseDestination } from '../../src/relay/destination.ts';
import { DomainPatterns, domainOf, parseDomainPattern, toALabels } from '../../src/smtp/domains.ts';
import { Networks } from '../../src/smtp/networks.ts';
import { hostileText, type Target, target } from './target.ts';

const domains = fc.oneof(
  hostileText(
    'example.com',
    '.',
    'xn--',
    'bücher',
    '-',
    '_',
    'a'.repeat(63),
    '\u3002',
    '@',
    '..',
    'EXAMPLE',
    '[192.0.2.1]',
  ),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);

function readDomain(text: string): void {
  const labels = toALabels(text);
  assert.equal(toALabels(labels), labels.replace(/\.$/, ''));
  assert.equal(domainOf(`a@${text}`), toALabels(text.slice(text.lastIndexOf('@') + 1)));
  const pattern = parseDomainPattern(text);
  if (pattern === undefined) return;
  const patterns = new DomainPatterns([pattern]);
  assert.ok(patterns.includes(pattern.replace(/^\./, '')));
  assert.equal(
    patterns.includes(`sub.${pattern.replace(/^\./, '')}`),
    pattern.startsWith('.') && pattern.length < 250,
  );
}

const networks = fc.oneof(
  hostileText(
    '10.0.0.0',
    '/8',
    '/',
    '::1',
    '2001:db8::',
    '/32',
    '::ffff:',
    '192.0.2.1',
    '%eth0',
    '.',
    ':',
    '0x10',
    '256',
    '/129',
  ),
  fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(130)).map(([address, bits]) => `${address}/${bits}`),
);

function readNetwork(text: string): void {
  let read: Networks;
  try {
    read = new Networks([text]);
  } catch (error) {
    assert.match((error as Error).message, /is no address or network|prefix length/);
    return;
  }
  const [address = '', bits = '128'] = text.split('/');
  // A block of IPv6 that is wider than that of all mapped addresses has no IPv4 address in it.
  if (address.includes(':') && Number(bits) < 96 && new Networks(['0.0.0.0/0']).includes(address)) return;
  assert.ok(read.includes(address), 'the network has its own address');
  assert.equal(read.includes('not an address'), false);
}

// biome-ignore format: words, not lines
const destinations = hostileText(
  'smtp://', 'smtps://', 'lmtp://', 'smtp+unix:', '/run/x.sock', 'localhost', ':25', '[::1]',
  '?starttls=yes', '&verify=no', '?', '127.0.0.1',
);

function readDestination(text: string): void {
  const destination = parseDestination(text);
  if (typeof destination === 'string') return;
  assert.equal(destination.text, text);
  if ('port' in destination.address)
    assert.ok(destination.address.port > 0 && destination.address.port < 65_536);
  else assert.match(destination.address.path, /^\//);
  assert.deepEqual(parseDestination(text), destination);
}

export const addressTargets: readonly Target[] = [
  target('domains', domains, readDomain),
  target('networks', networks, readNetwork),
  target('destinations', destinations, readDestination),
];
