/**
 * `user`: what a broker that root has started becomes once its ports are bound and its files are
 * read. For good: neither the user nor the process can go back.
 */
import { userInfo } from 'node:os';
import { BrokerError, systemCode } from '../base/errors.js';
import type { Log } from '../base/log.js';

const ROOT = 0;
/** Packages make this user; files that name it are used where it does not exist. */
const MOSQUITTO_USER = 'mosquitto';
const FALLBACK_USER = 'nobody';

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/** What the system can do about users. */
export interface Credentials {
  /** Undefined where there are no users, as on Windows. */
  effectiveUserId(): number | undefined;
  /** Null: there is no such user. */
  find(user: string): UserIds | null;
  /** All groups, the group, then the user; afterwards there is no way back. */
  become(user: string, ids: UserIds): void;
}

/**
 * Drops root's privileges when there are any. As in Mosquitto, `user root` keeps them, and a user
 * `mosquitto` that does not exist means `nobody`.
 *
 * @param beforeDrop hands over what the later user must be able to write, such as log files
 * @throws BrokerError USER when there is no such user, or the system refuses
 */
export function dropPrivileges(
  user: string | null,
  log: Log,
  beforeDrop: (ids: UserIds) => void,
  credentials: Credentials = systemCredentials,
): void {
  if (credentials.effectiveUserId() !== ROOT) return;
  if (user === null || user === 'root') {
    log.write('warning', 'running as root; set "user", or start as another user');
    return;
  }
  const { name, ids } = resolve(user, log, credentials);
  try {
    beforeDrop(ids);
    credentials.become(name, ids);
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    const text = `user ${name}: the system refuses the change (${systemCode(cause) ?? cause})`;
    throw new BrokerError('USER', text, { cause });
  }
  if (ids.uid !== ROOT && credentials.effectiveUserId() === ROOT) {
    throw new BrokerError('USER', `user ${name}: still root after the change`);
  }
  log.write('information', 'privileges dropped', { user: name, uid: ids.uid, gid: ids.gid });
}

function resolve(
  user: string,
  log: Log,
  credentials: Credentials,
): { readonly name: string; readonly ids: UserIds } {
  const ids = credentials.find(user);
  if (ids !== null) return { name: user, ids };
  const fallback = user === MOSQUITTO_USER ? credentials.find(FALLBACK_USER) : null;
  if (fallback === null) {
    const text = `user ${user}: there is no such user; create it or name another one`;
    throw new BrokerError('USER', text);
  }
  log.write('warning', 'there is no such user; another one is taken', {
    user,
    taken: FALLBACK_USER,
  });
  return { name: FALLBACK_USER, ids: fallback };
}

/** `initgroups` is documented, but missing in the types of Node 20. */
type GroupsProcess = typeof process & {
  initgroups?(user: string, extraGroup: number): void;
};

/** The process itself. */
export const systemCredentials: Credentials = {
  effectiveUserId: () => process.geteuid?.(),
  find: (user) => {
    try {
      // Node looks users up only in order to become one: take the seat for a moment.
      process.seteuid!(user);
    } catch (error) {
      if (systemCode(error) === 'ERR_UNKNOWN_CREDENTIAL') return null;
      throw error;
    }
    try {
      const { uid, gid } = userInfo();
      return { uid, gid };
    } finally {
      process.seteuid!(ROOT);
    }
  },
  become: (user, { uid, gid }) => {
    (process as GroupsProcess).initgroups!(user, gid);
    process.setgid!(gid);
    process.setuid!(uid);
  },
};
