/** Logic with made-up users; the real thing in a process of its own, where the tests are root. */
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../src/base/errors.js';
import { type Credentials, dropPrivileges, type UserIds } from '../../src/ops/privileges.js';
import { run } from '../support/process.js';
import { RecordingLog } from './support.js';

const test = suite('privileges');

class FakeCredentials implements Credentials {
  readonly calls: string[] = [];
  private uid: number;
  private readonly users: Readonly<Record<string, UserIds>>;

  constructor(uid: number, users: Readonly<Record<string, UserIds>>) {
    this.uid = uid;
    this.users = users;
  }

  effectiveUserId(): number {
    return this.uid;
  }

  find(user: string): UserIds | null {
    return this.users[user] ?? null;
  }

  become(user: string, ids: UserIds): void {
    this.calls.push(`become ${user} ${ids.uid}:${ids.gid}`);
    this.uid = ids.uid;
  }
}

function drop(user: string | null, credentials: FakeCredentials): RecordingLog {
  const log = new RecordingLog();
  const before = (ids: UserIds): void => {
    credentials.calls.push(`before ${ids.uid}:${ids.gid}`);
  };
  dropPrivileges(user, log, before, credentials);
  return log;
}

const broker = { uid: 5, gid: 6 };
const nobody = { uid: 99, gid: 98 };

test('hands over the files, then becomes the user', () => {
  const credentials = new FakeCredentials(0, { broker });

  const log = drop('broker', credentials);

  assert.equal(credentials.calls, ['before 5:6', 'become broker 5:6']);
  assert.equal(log.events[0]?.fields, { user: 'broker', uid: 5, gid: 6 });
});

test('does nothing for who is not root', () => {
  const credentials = new FakeCredentials(1_000, { broker });

  const log = drop('broker', credentials);

  assert.equal(credentials.calls, []);
  assert.equal(log.events, []);
});

for (const user of [null, 'root']) {
  test(`warns when root stays root with user ${user}`, () => {
    const credentials = new FakeCredentials(0, { root: { uid: 0, gid: 0 } });

    const log = drop(user, credentials);

    assert.equal(credentials.calls, []);
    assert.is(log.events[0]?.level, 'warning');
    assert.match(log.events[0]?.event ?? '', 'running as root');
  });
}

test('refuses an unknown user in one line', () => {
  const credentials = new FakeCredentials(0, { broker, nobody });

  assert.throws(
    () => drop('brokr', credentials),
    (error: unknown) =>
      error instanceof BrokerError &&
      error.code === 'USER' &&
      error.message === 'user brokr: there is no such user; create it or name another one',
  );
  assert.equal(credentials.calls, []);
});

test('takes nobody for a user mosquitto that does not exist, as Mosquitto does', () => {
  const credentials = new FakeCredentials(0, { nobody });

  const log = drop('mosquitto', credentials);

  assert.equal(credentials.calls, ['before 99:98', 'become nobody 99:98']);
  assert.equal(log.events[0]?.fields, { user: 'mosquitto', taken: 'nobody' });
});

test('refuses when there is neither mosquitto nor nobody', () => {
  assert.throws(() => drop('mosquitto', new FakeCredentials(0, {})), /user mosquitto: there is no/);
});

test('says what the system refuses', () => {
  const credentials = new FakeCredentials(0, { broker });
  credentials.become = () => {
    throw Object.assign(new Error('no'), { code: 'EPERM' });
  };

  assert.throws(
    () => drop('broker', credentials),
    /^user broker: the system refuses the change \(EPERM\)$/,
  );
});

test('does not believe a change that had no effect', () => {
  const credentials = new FakeCredentials(0, { broker });
  credentials.become = () => undefined;

  assert.throws(() => drop('broker', credentials), /still root after the change/);
});

test('leaves a process that root started without root’s rights', async () => {
  const { code, output } = await runDrop('nobody');
  const isRoot = process.geteuid?.() === 0;

  assert.is(code, 0, output);
  const state = JSON.parse(output);
  if (!isRoot) {
    assert.is(state.uid, process.geteuid?.());
    return;
  }
  assert.ok(state.uid > 0);
  assert.ok(state.gid > 0);
  assert.equal(state.groups.includes(0), false);
  assert.is(state.back, 'EPERM');
});

test('finds out that a user does not exist', async () => {
  const { code, output } = await runDrop('no-such-user-here');
  const isRoot = process.geteuid?.() === 0;

  assert.is(code, isRoot ? 1 : 0);
  if (isRoot) assert.match(output, 'user no-such-user-here: there is no such user');
});

/** A process that drops its privileges, says what it is then, and tries to go back. */
function runDrop(user: string) {
  const module = new URL('../../src/ops/privileges.js', import.meta.url);
  const script = `
    import { dropPrivileges } from '${pathToFileURL(module.pathname).href}';
    const log = { enabled: () => true, write: () => undefined };
    try {
      dropPrivileges('${user}', log, () => undefined);
    } catch (error) {
      console.log(error.message);
      process.exit(1);
    }
    const uid = process.geteuid();
    const gid = process.getegid();
    const groups = process.getgroups();
    let back = null;
    if (${process.geteuid?.() === 0}) {
      try {
        process.setuid(0);
      } catch (error) {
        back = error.code;
      }
    }
    console.log(JSON.stringify({ uid, gid, groups, back }));
  `;
  return run(process.execPath, ['--input-type=module', '-e', script]);
}

test.run();
