/** What shows that SIGHUP has changed a key of access: by key. */
import { createHash } from 'node:crypto';
import * as assert from 'uvu/assert';
import { type Observations, RunningService } from './running-service.js';

const NOT_AUTHORIZED = 0x87;
const listener = 'listener PORT 127.0.0.1';
const open = [listener, 'allow_anonymous true'];

/** A line of a password file, in Mosquitto's oldest form. */
export function passwordLine(name: string, password: string): string {
  const salt = Buffer.from('saltsaltsalt');
  const hash = createHash('sha512').update(password).update(salt).digest('base64');
  return `${name}:$6$${salt.toString('base64')}$${hash}\n`;
}

/** Whether a client with these options is let in: before, and with `line` as well. */
function turnsAway(line: string, options: Parameters<RunningService['accepts']>[0]) {
  return (): Promise<void> =>
    RunningService.with(open, async (running) => {
      const before = await running.accepts(options);
      running.reload([...open, line]);
      assert.equal([before, await running.accepts(options)], [true, false]);
    });
}

export const accessKeys: Observations = {
  allow_anonymous: () =>
    RunningService.with(open, async (running) => {
      const nobody = await running.connect();
      running.reload([listener, 'allow_anonymous false']);
      await nobody.untilClosed();
      assert.equal(nobody.disconnects, [NOT_AUTHORIZED]);
      assert.is(await running.accepts(), false);
    }),
  password_file: () =>
    RunningService.with(open, async (running) => {
      const alice = { username: 'alice', password: 'a' };
      running.folder.write('passwords', passwordLine('alice', 'a'));
      running.reload([listener, 'password_file FOLDER/passwords']);
      assert.is(await running.accepts({ ...alice, password: 'b' }), false);
      assert.is(await running.accepts(alice), true);
    }),
  acl_file: () =>
    RunningService.with(open, async (running) => {
      const client = await running.connect();
      await client.publish('a', 'x', { qos: 1 });
      running.folder.write('acl', 'topic read #\n');
      running.reload([...open, 'acl_file FOLDER/acl']);
      const denied = await client.publish('a', 'x', { qos: 1 }).catch((error) => error);
      assert.is(denied?.code, NOT_AUTHORIZED);
    }),
  psk_file: async () => {
    const lines = (file: string): string[] => [...open, 'psk_hint hint', `psk_file ${file}`];
    const files = { 'FOLDER/one': 'one:aabb\n', 'FOLDER/two': 'two:aabb\n' };
    const client = {
      ciphers: 'PSK',
      maxVersion: 'TLSv1.2',
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ identity: 'two', psk: Buffer.from('aabb', 'hex') }),
    } as const;
    const run = async (running: RunningService): Promise<void> => {
      assert.is(await running.tls(client), null);
      running.reload(lines('FOLDER/two'));
      assert.ok(await running.tls(client));
    };
    await RunningService.with(lines('FOLDER/one'), run, files);
  },
  allow_zero_length_clientid: turnsAway('allow_zero_length_clientid false', { clientId: '' }),
  clientid_prefixes: turnsAway('clientid_prefixes device-', { clientId: 'other' }),
  auto_id_prefix: () =>
    RunningService.with(open, async (running) => {
      running.reload([...open, 'auto_id_prefix made-']);
      const client = await running.connect({ clientId: '' });
      assert.match(client.assignedId, /^made-/);
    }),
  per_listener_settings: async () => {
    const lines = [listener, 'listener 0 FOLDER/socket', 'allow_anonymous true'];
    await RunningService.with(lines, async (running) => {
      assert.is(await running.accepts(), true);
      running.reload(['per_listener_settings true', ...lines]);
      assert.is(await running.accepts(), false);
    });
  },
};
