/**
 * What an ACL file allows, as a table that our rules and the installed Mosquitto are both asked.
 * `r`: a message on the topic reaches the client; `w`: the client may publish to it.
 */
export type Allowed = '' | 'r' | 'w' | 'rw';

export interface AclCase {
  readonly username: string | null;
  readonly clientId: string;
  readonly topic: string;
  readonly allowed: Allowed;
  /** Mosquitto's answer where ours is stricter on purpose. */
  readonly mosquitto: Allowed;
}

export interface AclTable {
  readonly name: string;
  readonly acl: string;
  readonly cases: readonly AclCase[];
}

function row(
  username: string | null,
  clientId: string,
  topic: string,
  allowed: Allowed,
  mosquitto: Allowed = allowed,
): AclCase {
  return { username, clientId, topic, allowed, mosquitto };
}

const topics: AclTable = {
  name: 'topic rules',
  acl: `# for clients without a user name
topic read pub/#
topic deny pub/secret/#
topic write   two words/x
topic a/+/c
topic write trailing/space${'   '}
   topic read indented/x
topic read late/#

user roger
topic foo/bar
topic readwrite over/#
topic deny over/no
topic read #
topic deny late/x
topic +/second
user rw
topic #
topic $foo/+
topic deny rw/#
user sp ace${'  '}
topic spuser
user roger
topic write more
user lit
topic readwrite x/%u
`,
  cases: [
    row(null, 'a', 'pub/x', 'r'),
    row(null, 'a', 'pub', 'r'),
    row(null, 'a', 'public', ''),
    row(null, 'a', 'pub/secret', ''),
    row(null, 'a', 'pub/secret/x/y', ''),
    row(null, 'a', 'two words/x', 'w'),
    row(null, 'a', 'a/b/c', 'rw'),
    row(null, 'a', 'a//c', 'rw'),
    row(null, 'a', 'a/b/d/c', ''),
    row(null, 'a', 'a/b/c/', ''),
    row(null, 'a', 'trailing/space', 'w'),
    row(null, 'a', 'indented/x', 'r'),
    row(null, 'a', 'late/x', 'r'),
    row(null, 'a', 'foo/bar', ''),
    row(null, 'a+b', 'pub/x', 'r'),
    row('roger', 'r', 'foo/bar', 'rw'),
    row('roger', 'r', 'Foo/bar', 'r'),
    row('roger', 'r', 'over/x', 'rw'),
    row('roger', 'r', 'over/no', ''),
    row('roger', 'r', 'pub/x', 'r'),
    row('roger', 'r', 'late/x', ''),
    row('roger', 'r', 'more', 'rw'),
    row('roger', 'r', '$foo/x', ''),
    row('roger', 'r', '$foo/second', ''),
    row('roger', 'r', 'foo/second', 'rw'),
    row('roger', 'r+#', 'foo/bar', 'rw'),
    row('rw', 'r', 'anything/at/all', 'rw'),
    row('rw', 'r', '$foo/x', 'rw'),
    row('rw', 'r', '$bar/x', ''),
    row('rw', 'r', 'rw', ''),
    row('sp ace', 'r', 'spuser', 'rw'),
    row('sp ace ', 'r', 'spuser', ''),
    row('lit', 'r', 'x/%u', 'rw'),
    row('lit', 'r', 'x/lit', ''),
    row('stranger', 'r', 'pub/x', ''),
  ],
};

const patterns: AclTable = {
  name: 'patterns',
  acl: `topic read general/#
user roger
topic readwrite over/#
pattern readwrite c/%c/x
pattern readwrite u/%u/x
pattern readwrite both/%u/%c/#
pattern readwrite mixed/pre%c.%u/x
pattern readwrite more/%d/%c
pattern deny over/pattern
pattern readwrite over/pattern
pattern deny denied/#
pattern readwrite denied/x
pattern readwrite open/#
pattern deny open/%c/no
pattern read plain/x
pattern write %c/first
pattern read +/wild
`,
  cases: [
    row(null, 'me', 'c/me/x', 'rw'),
    row(null, 'me', 'c/you/x', ''),
    row(null, 'me', 'c//x', ''),
    row(null, 'a', 'u//x', ''),
    row(null, 'a', 'u/%u/x', ''),
    row('bob', 'a', 'u/bob/x', 'rw'),
    row('bob', 'a', 'u/a/x', ''),
    row('bob', 'a', 'both/bob/a', 'rw'),
    row('bob', 'a', 'both/bob/a/b/c', 'rw'),
    row('bob', 'a', 'both/a/bob', ''),
    row(null, 'a', 'both//a', ''),
    row('bob', 'a', 'mixed/prea.bob/x', 'rw'),
    row('bob', 'a', 'mixed/pre/x', ''),
    row(null, 'a', 'more/%d/a', 'rw'),
    row('roger', 'a', 'over/pattern', 'rw'),
    row('bob', 'a', 'over/pattern', ''),
    row('bob', 'a', 'denied/x', ''),
    row(null, 'a', 'plain/x', 'r'),
    row('bob', 'a', 'general/x', ''),
    row(null, 'a', 'open/a/yes', 'rw'),
    row(null, 'a', 'open/a/no', ''),
    row(null, 'a', 'open/b/no', 'rw'),
    // The value of a placeholder is text: it is not filled in again.
    row('bob', '%u', 'c/%u/x', 'rw'),
    row('bob', '%u', 'c/bob/x', ''),
    // A name with a wildcard gets nothing from any pattern, but keeps its own rules.
    row(null, 'a+b', 'plain/x', ''),
    row(null, '+', 'plain/x', ''),
    row(null, 'a#b', 'open/x', ''),
    row('bob+', 'a', 'plain/x', ''),
    row('roger', 'a#', 'over/x', 'rw'),
    row('roger', 'a#', 'plain/x', ''),
    // A name with a slash reaches no further level: here we are stricter than Mosquitto.
    row(null, 'a/b', 'c/a/b/x', '', 'rw'),
    row('b/c', 'a', 'u/b/c/x', '', 'rw'),
    row('b/c', 'a', 'c/a/x', 'rw'),
    row(null, 'a/b', 'plain/x', 'r'),
    row(null, 'a/b', 'open/a/b/no', ''),
    // A placeholder in front may stand for a name with '$'; a wildcard may not.
    row(null, '$me', '$me/first', 'w'),
    row(null, 'me', '$me/first', ''),
    row(null, 'me', '$me/wild', ''),
    row(null, 'me', 'it/wild', 'r'),
  ],
};

const nothing: AclTable = {
  name: 'a file without rules',
  acl: '# nothing\n\n',
  cases: [row(null, 'a', 'x', ''), row('bob', 'a', 'x', '')],
};

export const aclTables: readonly AclTable[] = [topics, patterns, nothing];
