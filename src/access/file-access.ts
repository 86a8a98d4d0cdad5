/**
 * Access from files, with Mosquitto's meaning: allow_anonymous, password_file, acl_file, psk_file
 * and clientid_prefixes. One instance per `AccessConfig`.
 *
 * `reload` reads everything first and then swaps it in as one: no check ever sees half of it.
 */

import { type Log, silentLog } from '../base/log.js';
import {
  type Access,
  type AuthenticationExchange,
  type AuthenticationResult,
  type AuthenticationStep,
  type ClientIdentity,
  isNamedByPeer,
} from '../broker/access.js';
import type { AccessConfig } from '../config/config.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { AclFile } from './acl-file.js';
import { type PasswordChecks, processPasswordChecks } from './password-checks.js';
import { PasswordFile } from './password-file.js';
import type { ScramVerifier } from './password-hash.js';
import { PskFile } from './psk-file.js';
import { SCRAM_SHA_256, type ScramCredentials, ScramExchange } from './scram.js';

export interface FileAccessOptions {
  /** Default: silent. */
  readonly log?: Log;
  /** Default: the process's one. */
  readonly checks?: PasswordChecks;
}

/** What the files say; replaced as a whole. */
interface Rules {
  readonly config: AccessConfig;
  readonly passwords: PasswordFile | null;
  readonly acl: AclFile | null;
  readonly psk: PskFile | null;
}

export class FileAccess implements Access, ScramCredentials {
  /** The files' answers to a topic stay the same until `version` changes. */
  readonly publishAnswersLast = true;
  private readonly log: Log;
  private readonly checks: PasswordChecks;
  private rules: Rules;
  private versionNow = 1;
  /**
   * Users whose password the last reload changed or removed, and who have not logged in since:
   * their connections were authenticated with what no longer counts.
   */
  private outdated: Set<string> = new Set();

  /** Reads the files; throws a `BrokerError` that says what is wrong with which. */
  constructor(config: AccessConfig, options: FileAccessOptions = {}) {
    this.log = options.log ?? silentLog;
    this.checks = options.checks ?? processPasswordChecks;
    this.rules = loadRules(config, this.log);
  }

  /**
   * Reads all files again, those of `config` when it is given. Throws and changes nothing when one
   * is bad. Ask `mayStay` for every connected client right after it.
   */
  reload(config: AccessConfig = this.rules.config): void {
    const next = loadRules(config, this.log);
    const before = this.rules.passwords;
    const outdated =
      before === null || next.passwords === null
        ? new Set<string>()
        : before.changedUsers(next.passwords);
    this.rules = next;
    this.outdated = outdated;
    this.versionNow++;
  }

  get version(): number {
    return this.versionNow;
  }

  authenticate(
    client: ClientIdentity,
    password: Buffer | null,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const { config, passwords } = this.rules;
    const { username } = client;
    if (!hasPrefix(client, config)) return REFUSED;
    if (isNamedByPeer(client.listener))
      return isTlsNameGiven(client) ? admitted(username) : NO_CERTIFICATE;
    if (username === null) return config.allowAnonymous ? admitted(null) : REFUSED;
    if (passwords === null) return config.allowAnonymous ? admitted(username) : REFUSED;
    // As in Mosquitto, nobody logs in with an empty password, whatever the file says.
    if (password === null || password.length === 0) return REFUSED;
    // Copied, as the caller's bytes are valid during this call only; wiped when they are done with.
    const copy = Buffer.from(password);
    return this.checkPassword(client, username, passwords, copy).finally(() => copy.fill(0));
  }

  beginExchange(method: string, client: ClientIdentity): AuthenticationExchange | null {
    const { config, passwords } = this.rules;
    if (method !== SCRAM_SHA_256 || passwords === null || !passwords.hasScram) return null;
    const isAdmissible =
      hasPrefix(client, config) && (!isNamedByPeer(client.listener) || isTlsNameGiven(client));
    if (!isAdmissible) return refusingExchange;
    const exchange = new ScramExchange(this, { expectedUsername: client.username });
    return {
      step: (data) => {
        const step = exchange.step(data);
        if (step.kind === 'success' && step.username !== null) this.outdated.delete(step.username);
        return step;
      },
    };
  }

  mayStay(client: ClientIdentity): boolean {
    const { config, passwords } = this.rules;
    const { username } = client;
    // A certificate stays what it was; a prefix is asked for when a client connects.
    if (isNamedByPeer(client.listener)) return true;
    if (username === null || passwords === null) return config.allowAnonymous;
    return passwords.has(username) && !this.outdated.has(username);
  }

  get restrictsPublish(): boolean {
    return this.rules.acl !== null;
  }

  mayPublish(client: ClientIdentity, topic: string): boolean {
    const { acl } = this.rules;
    return acl === null || acl.mayWrite(client, topic);
  }

  get restrictsRead(): boolean {
    return this.rules.acl !== null;
  }

  mayRead(client: ClientIdentity, topic: string): boolean {
    const { acl } = this.rules;
    return acl === null || acl.mayRead(client, topic);
  }

  get restrictsSubscribe(): boolean {
    return this.rules.acl?.restrictsSubscribe ?? false;
  }

  maySubscribe(client: ClientIdentity, filter: string): boolean {
    const { acl } = this.rules;
    return acl === null || acl.maySubscribe(client, filter);
  }

  /** For the TLS listener: the key of a PSK identity, null when it has none. */
  pskOf(identity: string): Buffer | null {
    return this.rules.psk?.keyOf(identity) ?? null;
  }

  verifierOf(username: string): ScramVerifier | null {
    return this.rules.passwords?.scramOf(username) ?? null;
  }

  decoyFor(username: string): ScramVerifier | null {
    return this.rules.passwords?.scramDecoyFor(username) ?? null;
  }

  private async checkPassword(
    client: ClientIdentity,
    username: string,
    passwords: PasswordFile,
    password: Buffer,
  ): Promise<AuthenticationResult> {
    const hash = passwords.hashOf(username);
    const decoy = passwords.decoyFor(username);
    const spentOn = hash ?? decoy;
    if (spentOn === null) return REFUSED;
    const check = this.checks.verify(spentOn, password);
    if (check === null) return BUSY;
    const isRight = (await check) && hash !== null;
    // A reload came in between: what was checked may no longer count.
    if (this.rules.passwords !== passwords) return this.authenticate(client, password);
    if (!isRight) return REFUSED;
    this.outdated.delete(username);
    return admitted(username);
  }
}

// One text for every cause: a stranger must not learn which names exist. 0x87 (3.1.1: 5) as
// Mosquitto 2.0 answers, so that its clients print what their users know.
const REFUSED: AuthenticationResult = Object.freeze({
  ok: false,
  reasonCode: ReasonCode.NotAuthorized,
  reasonString: 'not authorized',
});

const NO_CERTIFICATE: AuthenticationResult = Object.freeze({
  ok: false,
  reasonCode: ReasonCode.BadUserNameOrPassword,
  reasonString: 'a client certificate or PSK identity is required',
});

const BUSY: AuthenticationResult = Object.freeze({
  ok: false,
  reasonCode: ReasonCode.ServerBusy,
  reasonString: 'too many logins at once; try again later',
});

const REFUSED_STEP: AuthenticationStep = Object.freeze({
  kind: 'failure',
  reasonCode: ReasonCode.NotAuthorized,
  reasonString: 'not authorized',
});

const refusingExchange: AuthenticationExchange = { step: () => REFUSED_STEP };

function admitted(username: string | null): AuthenticationResult {
  return { ok: true, username };
}

function loadRules(config: AccessConfig, log: Log): Rules {
  const { passwordFile, aclFile, pskFile } = config;
  return {
    config,
    passwords: passwordFile === null ? null : PasswordFile.load(passwordFile, log),
    acl: aclFile === null ? null : AclFile.load(aclFile, log),
    psk: pskFile === null ? null : PskFile.load(pskFile, log),
  };
}

function hasPrefix(client: ClientIdentity, config: AccessConfig): boolean {
  return client.clientId.startsWith(config.clientIdPrefixes);
}

/** The connection took the user name from TLS; checked again here, as no password will be. */
function isTlsNameGiven({ listener, peer, username }: ClientIdentity): boolean {
  const name = listener.useIdentityAsUsername ? peer.identity : peer.subject;
  return name !== null && name !== '' && name === username;
}
