// A private Dovecot that speaks LMTP and nothing else, with its mailboxes under one temporary directory.
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers } from './ports.ts';
import { type Site, startRestartable, untilReady } from './site.ts';

/** The user that owns the mailboxes; Debian's nobody and nogroup. */
const MAILBOX_USER = 65_534;
const MAILBOX_GROUP = 65_534;

/** A running mailbox store. */
export interface Dovecot {
  /** Its log so far. */
  log(): string;
  /** The messages in a mailbox as they were stored, byte for byte (latin1). */
  mailbox(address: string): readonly string[];
  /** Stops it, and starts it again. */
  restart(): Promise<void>;
}

/**
 * Starts Dovecot and waits until its LMTP port answers.
 *
 * @param port   where LMTP listens on 127.0.0.1
 * @param users  addresses with a mailbox, and its quota in bytes when it has one
 */
export async function startDovecot(
  site: Site,
  port: number,
  users: Readonly<Record<string, { readonly quotaBytes?: number }>>,
): Promise<Dovecot> {
  const directory = site.directory('dovecot');
  const mail = join(directory, 'mail');
  mkdirSync(mail);
  chownSync(mail, MAILBOX_USER, MAILBOX_GROUP);
  const entries = Object.entries(users).map(([address, { quotaBytes }]) => {
    const extra = quotaBytes === undefined ? '' : `userdb_quota_rule=*:bytes=${quotaBytes}B`;
    return `${address}::${MAILBOX_USER}:${MAILBOX_GROUP}::${mail}/${address}::${extra}\n`;
  });
  writeFileSync(join(directory, 'users'), entries.join(''), { mode: 0o644 });
  const configurationFile = join(directory, 'dovecot.conf');
  writeFileSync(configurationFile, configuration(directory, port));
  const logFile = join(directory, 'log');
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'latin1') : '');
  const restart = await startRestartable(async () => {
    const daemon = site.start('/usr/sbin/dovecot', ['-F', '-c', configurationFile]);
    await untilReady('Dovecot', daemon, () => answers(port), log);
    return daemon;
  });
  return {
    log,
    restart,
    mailbox: (address) => {
      const folder = join(mail, address, 'Maildir', 'new');
      if (!existsSync(folder)) return [];
      return readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
    },
  };
}

function configuration(directory: string, port: number): string {
  return `protocols = lmtp
base_dir = ${directory}/run
state_dir = ${directory}/state
log_path = ${directory}/log
listen = 127.0.0.1
ssl = no
auth_username_format = %Lu
mail_location = maildir:~/Maildir
mail_plugins = quota
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_grace = 0
}
mailbox_list_index = yes
passdb {
  driver = passwd-file
  args = ${directory}/users
}
userdb {
  driver = passwd-file
  args = ${directory}/users
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
service stats {
  process_min_avail = 0
}
`;
}
