// Types of those modules of mailauth for SPF and domains that have none of their own; only what is used of them.
declare module 'mailauth/lib/spf/spf-verify.js' {
  /** What matched; without a type: no mechanism did. */
  export interface MatchedMechanism {
    readonly type?: string;
    readonly val?: string;
    readonly qualifier?: string;
    readonly include?: MatchedMechanism;
  }

  type Resolve = (name: string, type: string) => Promise<unknown>;

  /** check_host() of RFC 7208 §4, without its limits. */
  export function spfVerify(
    domain: string,
    options: {
      readonly sender: string;
      readonly ip: string;
      readonly helo?: string;
      readonly mta: string;
      readonly strict: boolean;
      readonly resolver: Resolve;
      readonly expResolver: Resolve;
      readonly createSubResolver: () => Resolve;
    },
  ): Promise<MatchedMechanism | false>;
}

declare module 'mailauth/lib/spf/syntax.js' {
  /** Whether DNS can be asked for the name in an evaluation of SPF; without a final dot. */
  export function isValidTargetName(name: string): boolean;
}

declare module 'mailauth/lib/dmarc/get-dmarc-record.js' {
  type Resolve = (name: string, type: string) => Promise<unknown>;

  /** Reads the DMARC record of a name; each name is asked for once. */
  export type RecordLookup = (name: string) => Promise<unknown>;

  export function createRecordLookup(resolve: Resolve, options: { readonly strict: boolean }): RecordLookup;

  /** RFC 9989 §4.10.2; throws what the resolver throws. */
  export function getOrgDomain(domain: string, lookup: RecordLookup): Promise<string>;
}

declare module 'mailauth/lib/dmarc/author-domain.js' {
  /** The domains in one address: none, one, or several when the address is malformed. */
  export function getAddressDomains(address: string): readonly {
    readonly domain: string;
    /** Lower case, A-labels, without a final dot. */
    readonly authorDomain: string;
  }[];
}
