/**
 * `acl_file`, as Mosquitto 2.0 reads it, with one access more:
 *
 *     topic [read|write|readwrite|subscribe|deny] TOPIC      clients without a user name
 *     user NAME
 *     topic …                                                that user, until the next `user`
 *     pattern [read|write|…] TOPIC                           everybody; %c client id, %u user name
 *
 * A line that starts with '#' is a comment. The access may be left out: readwrite.
 */
import type { Log } from '../base/log.js';
import { hint } from '../config/nearest.js';
import { isShared, isTopicFilter, parseSharedFilter } from '../protocol/topic.js';
import { type AclClient, AclPattern } from './acl-pattern.js';
import { AclRules, emptyRuleList, type RuleList } from './acl-rules.js';
import { lineError, readTextFile, type TextFileKind } from './text-file.js';

const aclFileKind: TextFileKind = {
  code: 'ACL_FILE',
  key: 'acl_file',
  isSecret: false,
  remedy: 'create it',
};

const keywords = ['user', 'topic', 'pattern'];
const accessWords = ['read', 'write', 'readwrite', 'subscribe', 'deny'] as const;
type AccessWord = (typeof accessWords)[number];

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\x00-\x1f\x7f]/;

export class AclFile {
  private readonly rules: AclRules;

  constructor(rules: AclRules) {
    this.rules = rules;
  }

  static load(path: string, log: Log): AclFile {
    const parser = new AclParser(path, log);
    readTextFile(path, aclFileKind, log).forEach((text, index) => {
      parser.addLine(text, index + 1);
    });
    return new AclFile(parser.rules());
  }

  get restrictsSubscribe(): boolean {
    return this.rules.restrictsSubscribe;
  }

  mayRead(client: AclClient, topic: string): boolean {
    return this.rules.allows(client, 'read', topic);
  }

  mayWrite(client: AclClient, topic: string): boolean {
    return this.rules.allows(client, 'write', topic);
  }

  /** `$share/NAME/FILTER` is judged by its FILTER. */
  maySubscribe(client: AclClient, filter: string): boolean {
    if (!this.rules.isSubscribeRestricted(client)) return true;
    if (!isShared(filter)) return this.rules.allows(client, 'subscribe', filter);
    const shared = parseSharedFilter(filter);
    return shared !== null && this.rules.allows(client, 'subscribe', shared.filter);
  }
}

class AclParser {
  private readonly path: string;
  private readonly log: Log;
  private readonly anonymous = emptyRuleList();
  private readonly users = new Map<string, RuleList>();
  private readonly patterns = emptyRuleList();
  /** Where `topic` lines go. */
  private current: RuleList = this.anonymous;

  constructor(path: string, log: Log) {
    this.path = path;
    this.log = log;
  }

  rules(): AclRules {
    return new AclRules(this.anonymous, this.users, this.patterns);
  }

  addLine(text: string, line: number): void {
    const trimmed = text.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return;
    if (CONTROL.test(trimmed)) {
      throw this.error(line, 'a tab or control character; separate by spaces');
    }
    const [keyword, rest] = splitWord(trimmed);
    switch (keyword) {
      case 'user':
        this.addUser(rest, line);
        return;
      case 'topic':
        this.addTopic(this.current, rest, line, false);
        return;
      case 'pattern':
        this.addTopic(this.patterns, rest, line, true);
        return;
      default:
        throw this.error(
          line,
          `unknown keyword "${keyword}"${hint(keyword, keywords)}; expected user, topic or pattern`,
        );
    }
  }

  private addUser(name: string, line: number): void {
    if (name === '') throw this.error(line, 'user without a name; write "user NAME"');
    let rules = this.users.get(name);
    if (rules === undefined) {
      rules = emptyRuleList();
      this.users.set(name, rules);
    }
    this.current = rules;
  }

  private addTopic(rules: RuleList, rest: string, line: number, substitutes: boolean): void {
    const [access, topic] = this.splitAccess(rest, line);
    if (!isTopicFilter(topic)) {
      throw this.error(
        line,
        `"${topic}" is no topic filter; "+" stands alone in its level, "#" alone in the last one`,
      );
    }
    const pattern = new AclPattern(topic, substitutes);
    if (substitutes && !pattern.usesClientId && !pattern.usesUsername) {
      this.log.write('warning', 'acl_file pattern without %c or %u: it is for everybody', {
        file: this.path,
        line,
      });
    }
    if (access === 'readwrite') {
      rules.read.push(pattern);
      rules.write.push(pattern);
    } else {
      rules[access].push(pattern);
    }
  }

  /** The first word is the access, unless it is the only one. */
  private splitAccess(rest: string, line: number): [AccessWord, string] {
    if (rest === '') throw this.error(line, 'no topic; write "topic [ACCESS] TOPIC"');
    const [word, topic] = splitWord(rest);
    const access = accessWords.find((known) => known === word);
    if (access === undefined) {
      if (topic === '') return ['readwrite', word];
      throw this.error(
        line,
        `unknown access "${word}"${hint(word, accessWords)}; expected ${accessWords.join(', ')}` +
          ' (a topic with spaces needs one in front)',
      );
    }
    if (topic === '') {
      throw this.error(
        line,
        `"${word}" without a topic; for a topic of that name write "readwrite ${word}"`,
      );
    }
    return [access, topic];
  }

  private error(line: number, message: string): Error {
    return lineError(aclFileKind, this.path, line, message);
  }
}

/** The first word, and what follows the spaces after it. */
function splitWord(text: string): [string, string] {
  const space = text.indexOf(' ');
  return space < 0 ? [text, ''] : [text.slice(0, space), text.slice(space + 1).trimStart()];
}
