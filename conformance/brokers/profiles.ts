/**
 * The configurations that tests need. Each profile is a listener; profiles of one group share a
 * process. All in the dialect of mosquitto.conf, so that both brokers start from the same lines.
 */
import { pbkdf2Sync } from 'node:crypto';
import { scramLine } from './scram-line.js';

export type BrokerKind = 'tidewire' | 'mosquitto';
export type ProfileName =
  | 'default'
  | 'max-qos-1'
  | 'max-qos-0'
  | 'no-alias'
  | 'websockets'
  | 'restricted'
  | 'access'
  | 'wide'
  | 'scram'
  | 'tls';

export interface Group {
  readonly name: string;
  /** Profile → lines of its listener. */
  readonly listeners: Readonly<Partial<Record<ProfileName, readonly string[]>>>;
  /** Lines for the whole process. `FOLDER` stands for the group's temporary folder. */
  readonly lines: readonly string[];
  /** Lines that only one broker knows. */
  readonly own: Readonly<Partial<Record<BrokerKind, readonly string[]>>>;
  /** Brokers that cannot run it at all. */
  readonly not: readonly BrokerKind[];
  /** Files for the temporary folder. */
  readonly files: () => Readonly<Record<string, string>>;
}

/** User of the `access` and `scram` profiles. */
export const user = { username: 'alice', password: 'correct horse' } as const;

/** Packets from clients on the `restricted` listener; Mosquitto's least value. */
export const RESTRICTED_PACKET_SIZE = 2000;
export const RESTRICTED_RECEIVE_MAXIMUM = 4;

const noFiles = () => ({});

export const groups: readonly Group[] = [
  {
    name: 'main',
    listeners: {
      default: [],
      'max-qos-1': ['max_qos 1'],
      'max-qos-0': ['max_qos 0'],
      'no-alias': ['max_topic_alias 0'],
      websockets: ['protocol websockets'],
    },
    lines: ['allow_anonymous true'],
    own: {},
    not: [],
    files: noFiles,
  },
  {
    name: 'restricted',
    listeners: { restricted: [] },
    lines: [
      'allow_anonymous true',
      'allow_zero_length_clientid false',
      'retain_available false',
      `max_packet_size ${RESTRICTED_PACKET_SIZE}`,
    ],
    own: {
      tidewire: [`receive_maximum ${RESTRICTED_RECEIVE_MAXIMUM}`, 'max_keepalive 2'],
      mosquitto: [`max_inflight_messages ${RESTRICTED_RECEIVE_MAXIMUM}`, 'max_keepalive 10'],
    },
    not: [],
    files: noFiles,
  },
  {
    name: 'access',
    listeners: { access: [] },
    lines: ['allow_anonymous false', 'password_file FOLDER/passwords', 'acl_file FOLDER/acl'],
    own: {},
    not: [],
    files: () => ({
      passwords: `${passwordLine(user.username, user.password)}\n`,
      acl: `user ${user.username}\ntopic readwrite conf/#\ntopic readwrite fence/#\n`,
    }),
  },
  {
    name: 'wide',
    listeners: { wide: [] },
    lines: ['allow_anonymous true', 'max_inflight_messages 0', 'max_queued_messages 0'],
    own: { tidewire: ['max_topic_levels 65536'] },
    not: [],
    files: noFiles,
  },
  {
    name: 'scram',
    listeners: { scram: [] },
    lines: ['allow_anonymous false', 'password_file FOLDER/passwords'],
    own: {},
    not: ['mosquitto'],
    files: () => ({ passwords: `${scramLine(user.username, user.password)}\n` }),
  },
  {
    name: 'tls',
    listeners: { tls: ['certfile FOLDER/certificate.pem', 'keyfile FOLDER/key.pem'] },
    lines: ['allow_anonymous true'],
    own: {},
    not: [],
    files: noFiles,
  },
];

export function groupOf(profile: ProfileName): Group {
  const group = groups.find((one) => one.listeners[profile] !== undefined);
  if (group === undefined) throw new Error(`no group has the profile ${profile}`);
  return group;
}

/** A line of a password file as mosquitto_passwd writes it. */
function passwordLine(username: string, password: string): string {
  const salt = Buffer.from('conformance!');
  const hash = pbkdf2Sync(password, salt, 101, 64, 'sha512');
  return `${username}:$7$101$${salt.toString('base64')}$${hash.toString('base64')}`;
}
