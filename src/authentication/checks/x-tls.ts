// x-tls: the client used TLS, and which, as the upstream wrote it down (RFC 3848).
import { z } from 'zod';
import type { Check } from '../check.ts';
import type { Tls } from '../client/upstream-received.ts';
import type { Property } from '../result.ts';

export const xTls: Check<Record<never, never>> = {
  name: 'x-tls',
  schema: z.strictObject({}),
  skippedFor: [],

  endOfHeaders({ received, explain }) {
    explain('topmost Received', received ?? 'not looked at: nobody who is believed said XFORWARD');
    if (!received?.tls) return [];
    const { clientCertificate } = received.tls;
    const unverified = clientCertificate?.verified === false;
    return [
      {
        method: 'x-tls',
        value: 'pass',
        ...(unverified && { comment: 'client certificate not verified' }),
        properties: propertiesOf(received.tls),
      },
    ];
  },
};

function propertiesOf({ version, cipher, bits, clientCertificate: certificate }: Tls): Property[] {
  const properties: Property[] = [];
  if (version) properties.push({ ptype: 'smtp', property: 'version', value: version });
  if (cipher) properties.push({ ptype: 'smtp', property: 'cipher', value: cipher });
  if (bits) properties.push({ ptype: 'smtp', property: 'bits', value: bits });
  // What a certificate says that nobody vouches for is no name.
  if (certificate?.verified && certificate.name) {
    const { name: value, issuer } = certificate;
    properties.push({
      ptype: 'smtp',
      property: 'client-cn',
      value,
      ...(issuer && { comment: `issued by ${issuer}` }),
    });
  }
  return properties;
}
