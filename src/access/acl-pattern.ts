/**
 * One topic pattern of an ACL, compiled into levels. Asked per message: matching walks the topic
 * in place and builds no strings, unless a level mixes text with %c or %u.
 */
import { assert } from '../base/assert.js';

/** Whom a pattern is filled in for. */
export interface AclClient {
  readonly clientId: string;
  readonly username: string | null;
}

const DOLLAR = 0x24;
const HASH = 0x23;
const SLASH = 0x2f;

const LITERAL = 0;
const PLUS = 1;
const MULTI = 2;
const CLIENT_ID = 3;
const USERNAME = 4;
const MIXED = 5;

export class AclPattern {
  readonly usesClientId: boolean;
  readonly usesUsername: boolean;
  private readonly kinds: readonly number[];
  /** Text of a LITERAL or MIXED level; empty for the others. */
  private readonly texts: readonly string[];

  /**
   * `pattern` is a well-formed topic filter. With `substitutes`, %c stands for the client id and
   * %u for the user name; without it they are plain text.
   */
  constructor(pattern: string, substitutes: boolean) {
    assert(pattern.length > 0, 'an ACL pattern has a level');
    const levels = pattern.split('/');
    this.kinds = levels.map((level) => kindOf(level, substitutes));
    this.texts = levels.map((level, index) => {
      const kind = this.kinds[index];
      return kind === LITERAL || kind === MIXED ? level : '';
    });
    this.usesClientId = substitutes && pattern.includes('%c');
    this.usesUsername = substitutes && pattern.includes('%u');
  }

  /**
   * True when every topic that `topic` stands for matches: the topic itself for a name, all that
   * it could deliver for a filter. A wildcard at the front does not cover `$…` [MQTT-4.7.2-1].
   */
  covers(topic: string, client: AclClient): boolean {
    const { kinds, texts } = this;
    const length = topic.length;
    if (topic.charCodeAt(0) === DOLLAR && (kinds[0] === PLUS || kinds[0] === MULTI)) return false;
    // Start of the level that is looked at; length + 1 once the topic has no more levels.
    let at = 0;
    for (let index = 0; index < kinds.length; index++) {
      const kind = kinds[index];
      if (kind === MULTI) return true;
      if (at > length) return false;
      if (kind === PLUS) {
        if (topic.charCodeAt(at) === HASH) return false;
        const slash = topic.indexOf('/', at);
        at = slash < 0 ? length + 1 : slash + 1;
        continue;
      }
      const text = kind === LITERAL ? texts[index] : filledIn(kind, texts[index], client);
      if (!topic.startsWith(text, at)) return false;
      const end = at + text.length;
      if (end < length && topic.charCodeAt(end) !== SLASH) return false;
      at = end + 1;
    }
    return at > length;
  }
}

function kindOf(level: string, substitutes: boolean): number {
  if (level === '+') return PLUS;
  if (level === '#') return MULTI;
  if (!substitutes) return LITERAL;
  if (level === '%c') return CLIENT_ID;
  if (level === '%u') return USERNAME;
  return level.includes('%c') || level.includes('%u') ? MIXED : LITERAL;
}

function filledIn(kind: number, text: string, client: AclClient): string {
  if (kind === CLIENT_ID) return client.clientId;
  const username = client.username ?? '';
  if (kind === USERNAME) return username;
  // A function, because a replacement text would treat `$&` in a client id as an instruction.
  return text.replace(/%[cu]/g, (found) => (found === '%c' ? client.clientId : username));
}
