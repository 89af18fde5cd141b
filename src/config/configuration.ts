// A configuration as the rest of the program sees it: checked, complete, in bytes and milliseconds.
import type { z } from 'zod';
import type { SealOptions } from '../authentication/arc/seal.ts';
import type { ConfiguredCheck, checksSchema } from '../authentication/checks.ts';
import type { TrustOptions } from '../authentication/client/trust.ts';
import type { RemovalOptions } from '../authentication/header/removal.ts';
import type { DnsOptions } from '../dns/resolver.ts';
import type { PolicyOptions } from '../policy/schema.ts';
import type { Destination } from '../relay/destination.ts';
import type { PoolOptions } from '../relay/pool.ts';
import type { LogOptions } from '../telemetry/log-options.ts';
import type { RuleFileConfiguration } from './rules.ts';

/** Where a server listens on TCP; port 0 is any free port. */
export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** Where a server listens: TCP, or a UNIX socket. */
export type SocketAddress = TcpAddress | { readonly path: string };

/** Which side of upstream's queue Postern stands on. */
export type Mode = 'before-queue' | 'after-queue';

/** What a listener's connections downstream cost and how long they are kept. */
export type PoolConfiguration = Omit<PoolOptions, 'destinations' | 'session' | 'log'>;

/** How long the downstream may take for each phase (RFC 5321 §4.5.3.2). */
export interface TimeoutConfiguration {
  readonly connectMs: number;
  readonly greetingMs: number;
  readonly helloMs: number;
  readonly mailMs: number;
  readonly rcptMs: number;
  readonly dataMs: number;
  readonly contentMs: number;
  readonly finalMs: number;
}

/** What one listener takes from upstream. */
export interface LimitConfiguration {
  readonly connections: number;
  readonly recipients: number;
  readonly commandBytes: number;
  readonly headerBytes: number;
  readonly idleMs: number;
  readonly transactionMs: number;
  /** The longest time until a command or the end of data gets its answer. */
  readonly answerMs: number;
}

/** A listener's certificate; both are PEM texts. */
export interface TlsConfiguration {
  readonly certificate: string;
  readonly key: string;
  readonly mode: 'starttls' | 'implicit';
}

/** Who may connect to a UNIX socket; what is not named is as the system makes it. */
export interface SocketConfiguration {
  readonly mode?: number;
  /** A name or a number. */
  readonly owner?: string | number;
  readonly group?: string | number;
}

/** One front door and the back door that belongs to it. */
export interface ListenerConfiguration {
  readonly name: string;
  readonly listen: SocketAddress;
  /** Who may connect to a UNIX socket. */
  readonly socket?: SocketConfiguration;
  readonly mode: Mode;
  /** Networks that may connect and are believed (XFORWARD). */
  readonly clients: readonly string[];
  /** In order of failover, all of one protocol. */
  readonly destinations: readonly Destination[];
  readonly authservId: string;
  readonly hostname: string;
  readonly pool: PoolConfiguration;
  readonly timeouts: TimeoutConfiguration;
  readonly envelope: 'passthrough' | 'deferred';
  readonly bareNewlines: 'normalize' | 'reject' | 'pass';
  readonly tls?: TlsConfiguration;
  /** Networks whose connections begin with a PROXY header. */
  readonly proxyProtocol: readonly string[];
  readonly limits: LimitConfiguration;
}

/** Where messages stay while they are judged. */
export interface SpoolConfiguration {
  /** What of a message is held in memory; a longer one goes to an unlinked file. */
  readonly memoryBytes: number;
  readonly directory: string;
  readonly messageLimitBytes: number;
  /** What all messages at work take together at most, in memory and on disk. */
  readonly limitBytes: number;
}

/** Where metrics, health and status are. */
export interface HttpConfiguration extends TcpAddress {
  /** What whoever looks must show; it is there unless the address is loopback. */
  readonly token?: string;
}

/** A whole configuration. */
export interface Configuration {
  /** The file it was read from; undefined when the environment was enough. */
  readonly file?: string;
  /** What is no mistake, but hardly what was meant: one line for each. */
  readonly warnings: readonly string[];
  readonly hostname: string;
  readonly authservId: string;
  readonly listeners: readonly ListenerConfiguration[];
  readonly networks: TrustOptions;
  /** Which fields of a message are not passed on. */
  readonly header: Omit<RemovalOptions, 'authservIds'>;
  /** For how many transactions the whole story is kept. */
  readonly trace: { readonly keep: number };
  readonly dns: DnsOptions;
  readonly checks: z.output<typeof checksSchema>;
  /** Checks of the administrator's own, loaded. */
  readonly customChecks: readonly ConfiguredCheck[];
  /** Who seals messages (`checks.arc.seal`), its key read. */
  readonly seal?: SealOptions;
  /** Whether a Received-SPF field is added (RFC 7208 §9.1). */
  readonly receivedSpf: boolean;
  readonly policy: Omit<PolicyOptions, 'rulesFile'>;
  /** Rules after those of the policy, in a file of their own. */
  readonly ruleFile?: RuleFileConfiguration;
  readonly spool: SpoolConfiguration;
  readonly http: HttpConfiguration | false;
  /** Processes. */
  readonly workers: number;
  /** Who the workers run as, when the program is started as root: names or numbers. */
  readonly user?: string | number;
  readonly group?: string | number;
  /** How long open transactions may take when the program stops. */
  readonly stopMs: number;
  /** What is logged, how and where. */
  readonly log: Required<LogOptions>;
}
