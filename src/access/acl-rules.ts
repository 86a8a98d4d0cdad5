/**
 * The rules of an ACL file and who they say yes to. Asked per message. The order is Mosquitto's:
 *
 *   own `topic` rules:  deny? → no    allow? → yes
 *   `pattern` rules:    deny? → no    allow? → yes
 *   otherwise                                  no
 *
 * So a `deny` beats every allow of its own kind, and an allowed `topic` beats a `pattern deny`.
 * "Own" are the rules of the client's user name, or, without one, those before the first `user`.
 */
import { hasWildcard } from '../protocol/topic.js';
import type { AclClient, AclPattern } from './acl-pattern.js';

export const accessKinds = ['read', 'write', 'subscribe'] as const;
export type AccessKind = (typeof accessKinds)[number];

export interface RuleList {
  readonly deny: AclPattern[];
  readonly read: AclPattern[];
  readonly write: AclPattern[];
  readonly subscribe: AclPattern[];
}

export function emptyRuleList(): RuleList {
  return { deny: [], read: [], write: [], subscribe: [] };
}

export class AclRules {
  private readonly anonymous: RuleList;
  private readonly users: ReadonlyMap<string, RuleList>;
  private readonly patterns: RuleList;
  /** False: no `subscribe` rule in the whole file, so nobody's SUBSCRIBE is restricted. */
  readonly restrictsSubscribe: boolean;

  constructor(anonymous: RuleList, users: ReadonlyMap<string, RuleList>, patterns: RuleList) {
    this.anonymous = anonymous;
    this.users = users;
    this.patterns = patterns;
    this.restrictsSubscribe = [anonymous, patterns, ...users.values()].some(hasSubscribe);
  }

  /** `topic` is a name for read and write, a filter (not `$share/…`) for subscribe. */
  allows(client: AclClient, kind: AccessKind, topic: string): boolean {
    const own = this.ownRules(client);
    if (own !== null) {
      if (anyCovers(own.deny, client, topic)) return false;
      if (anyCovers(own[kind], client, topic)) return true;
    }
    if (this.isDangerous(client)) return false;
    if (anyPatternCovers(this.patterns.deny, client, topic, true)) return false;
    return anyPatternCovers(this.patterns[kind], client, topic, false);
  }

  /** Mosquitto lets everybody subscribe and filters reads; `subscribe` rules narrow that. */
  isSubscribeRestricted(client: AclClient): boolean {
    const own = this.ownRules(client);
    return hasSubscribe(this.patterns) || (own !== null && hasSubscribe(own));
  }

  private ownRules(client: AclClient): RuleList | null {
    if (client.username === null) return this.anonymous;
    return this.users.get(client.username) ?? null;
  }

  /**
   * With a wildcard in what %c or %u stands for, a client could choose what its rule covers. As in
   * Mosquitto, no pattern at all speaks for such a client.
   */
  private isDangerous(client: AclClient): boolean {
    return (
      hasWildcard(client.clientId) || (client.username !== null && hasWildcard(client.username))
    );
  }
}

function hasSubscribe(rules: RuleList): boolean {
  return rules.subscribe.length > 0;
}

function anyCovers(patterns: readonly AclPattern[], client: AclClient, topic: string): boolean {
  for (let index = 0; index < patterns.length; index++) {
    if (patterns[index].covers(topic, client)) return true;
  }
  return false;
}

/**
 * A value with a slash would reach into levels that the rule's author did not give away, so it
 * grants nothing; it still denies, or a client could shake off a rule by its choice of id.
 */
function anyPatternCovers(
  patterns: readonly AclPattern[],
  client: AclClient,
  topic: string,
  isDeny: boolean,
): boolean {
  for (let index = 0; index < patterns.length; index++) {
    const pattern = patterns[index];
    if (pattern.usesUsername && client.username === null) continue;
    if (!isDeny && hasSlashIn(pattern, client)) continue;
    if (pattern.covers(topic, client)) return true;
  }
  return false;
}

function hasSlashIn(pattern: AclPattern, client: AclClient): boolean {
  if (pattern.usesClientId && client.clientId.includes('/')) return true;
  return pattern.usesUsername && (client.username ?? '').includes('/');
}
