// slow
// deadline: 300 s
/**
 * One configuration, with files that mosquitto_passwd made, started unchanged with Mosquitto and
 * with Tidewire: the same commands print the same and end with the same exit codes.
 */
import { spawnSync } from 'node:child_process';
import { userInfo } from 'node:os';
import type { IClientOptions } from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../support/port.js';
import { Child, run } from '../support/process.js';
import { TempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { brokerPath, messagesOf, tlsFixture } from './support/broker.js';
import { type PortName, type Step, steps } from './support/mosquitto-steps.js';
import { untilOpen } from './support/port-open.js';
import { TestClient } from './support/test-client.js';

const test = suite('like Mosquitto');
const hasMosquitto = spawnSync('mosquitto', ['-h']).error === undefined;
const certificates = tlsFixture('.');

interface Setup {
  readonly folder: TempFolder;
  readonly ports: Readonly<Record<PortName, number>>;
  readonly configFile: string;
}

const acl = `topic readwrite anonymous/#

user alice
topic readwrite open/#
topic deny open/denied/#
topic write alice/#
topic read $SYS/#

user bob
topic read open/#
topic readwrite bob/#

pattern readwrite ids/%c/#
pattern readwrite users/%u/#
`;

async function setUp(): Promise<Setup> {
  const folder = new TempFolder();
  for (const [index, login] of ['alice wonder', 'bob builder'].entries()) {
    const create = index === 0 ? ['-c'] : [];
    const args = [...create, '-b', folder.file('passwords'), ...login.split(' ')];
    const { code, output } = await run('mosquitto_passwd', args);
    assert.is(code, 0, output);
  }
  folder.write('acl', acl);
  const ports = {
    plain: await freePort(),
    tls: await freePort(),
    identity: await freePort(),
    websockets: await freePort(),
    mounted: await freePort(),
  };
  const tls = `cafile ${certificates}/ca.crt
certfile ${certificates}/server.crt
keyfile ${certificates}/server.key
`;
  const text = `# Started by root, Mosquitto becomes another user, who could not read these files.
user ${userInfo().username}
persistence false
log_dest stderr
allow_anonymous false
password_file ${folder.file('passwords')}
acl_file ${folder.file('acl')}

listener ${ports.plain} 127.0.0.1

listener ${ports.tls} 127.0.0.1
${tls}
listener ${ports.identity} 127.0.0.1
${tls}require_certificate true
use_identity_as_username true

listener ${ports.mounted} 127.0.0.1
mount_point open/mount/

listener ${ports.websockets} 127.0.0.1
protocol websockets
`;
  return { folder, ports, configFile: folder.write('mosquitto.conf', text) };
}

/** Starts a broker with the file, asks it everything, and stops it. */
async function withStarted<T>(
  setup: Setup,
  command: readonly string[],
  body: () => Promise<T>,
): Promise<T> {
  const [program, ...first] = command;
  const child = await Child.start(program, [...first, '-c', setup.configFile]);
  try {
    for (const port of Object.values(setup.ports)) await untilOpen(child, port);
    return await body();
  } finally {
    await child.stop();
  }
}

/** All outcomes, in order. */
async function askAll(setup: Setup): Promise<string[]> {
  const outcomes: string[] = [];
  for (const step of steps) outcomes.push(await ask(setup, step));
  return outcomes;
}

async function ask(setup: Setup, step: Step): Promise<string> {
  const args = step.args.map((word) => word.replace('CERTS', certificates));
  const host = args.includes('-h') ? [] : ['-h', '127.0.0.1'];
  const all = [...host, '-p', `${setup.ports[step.port]}`, ...args];
  if (step.then !== undefined) return askLive(setup, all, step.then);
  const { code, output } = await run(step.program, all, { deadlineMs: 15_000 });
  return outcomeOf(code, output);
}

async function askLive(
  setup: Setup,
  args: readonly string[],
  then: readonly (readonly string[])[],
): Promise<string> {
  const subscriber = await Child.start('stdbuf', ['-oL', 'mosquitto_sub', '-d', ...args]);
  const granted = await subscriber.untilLine('Subscribed (mid');
  const codes: (number | null)[] = [];
  for (const words of then) {
    const at = ['-h', '127.0.0.1', '-p', `${setup.ports.plain}`];
    codes.push((await run('mosquitto_pub', [...at, ...words])).code);
  }
  const { code } = await subscriber.untilExit({ deadlineMs: 15_000 });
  const messages = messagesOf(subscriber).join('\n');
  return `exit ${code}, pubs ${codes}\n${granted}\n${messages}`;
}

/** How a connection that is closed looks depends on how far the client has got with TLS. */
const cutOff = [
  'Error: The connection was lost.',
  'Error: Protocol error',
  'Error: A TLS error occurred.',
  'Unable to connect (A TLS error occurred.).',
];

/** The outcome without what is not the broker's choice, or differs on purpose. */
function outcomeOf(code: number | null, output: string): string {
  if (cutOff.includes(output)) return 'cut off';
  const lines = output
    .split('\n')
    // Mosquitto has no Reason Strings.
    .filter((line) => line !== 'not authorized to publish')
    .map((line) => line.replace(/^[0-9A-F]{8,}:error:/, 'error:'));
  // Retained messages of several topics come in no particular order.
  return `exit ${code}\n${lines.sort().join('\n')}`;
}

const withMosquitto = hasMosquitto ? test : test.skip;

withMosquitto('the same file gives the same answers to the same commands', async () => {
  const setup = await setUp();
  try {
    const expected = await withStarted(setup, ['mosquitto'], () => askAll(setup));
    const tidewire = [process.execPath, brokerPath];
    const actual = await withStarted(setup, tidewire, () => askAll(setup));

    const differences = steps.flatMap(({ name }, index) =>
      actual[index] === expected[index]
        ? []
        : [`${name}\n  Mosquitto: ${expected[index]}\n  Tidewire: ${actual[index]}`],
    );
    assert.is(differences.join('\n'), '');
    assert.ok(expected.some((outcome) => !outcome.startsWith('exit 0')));
  } finally {
    setup.folder.remove();
  }
});

withMosquitto('clients over WebSocket are let in, refused and served alike', async () => {
  const setup = await setUp();
  try {
    const expected = await withStarted(setup, ['mosquitto'], () => askOverWebSocket(setup));
    const tidewire = [process.execPath, brokerPath];
    const actual = await withStarted(setup, tidewire, () => askOverWebSocket(setup));

    assert.equal(actual, expected);
    assert.equal(expected, [
      'refused 5',
      'refused 5',
      'in',
      'open/ws hello',
      'in',
      'open/ws again',
    ]);
  } finally {
    setup.folder.remove();
  }
});

async function askOverWebSocket(setup: Setup): Promise<string[]> {
  const outcomes: string[] = [];
  const logins: IClientOptions[] = [
    {},
    { username: 'alice', password: 'wrong' },
    { username: 'alice', password: 'wonder' },
    { username: 'alice', password: 'wonder', protocolVersion: 3, protocolId: 'MQIsdp' },
  ];
  for (const [index, login] of logins.entries()) {
    const client = TestClient.open({
      ...{ protocol: 'ws', host: '127.0.0.1', port: setup.ports.websockets, protocolVersion: 4 },
      ...login,
    });
    await until('an answer', () => client.connects > 0 || client.errors.length > 0);
    if (client.connects === 0) {
      outcomes.push(`refused ${(client.errors[0] as Error & { code?: number }).code}`);
      continue;
    }
    outcomes.push('in');
    await client.subscribe(['open/ws', 'bob/#'], 1);
    await client.publish('bob/x', 'denied', { qos: 1 });
    await client.publish('open/ws', index === 2 ? 'hello' : 'again', { qos: 1 });
    await client.untilMessages(1);
    outcomes.push(...client.packets.map(({ topic, payload }) => `${topic} ${payload}`));
    await client.end();
  }
  return outcomes;
}

test.run();
