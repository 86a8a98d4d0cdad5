/**
 * What a user types against one configuration with passwords, an ACL, TLS and WebSocket: commands
 * of mosquitto_pub and mosquitto_sub in order, since retained messages carry over from one to the
 * next. The outcome of each is what it prints and its exit code; nothing here says what is right.
 */

export type PortName = 'plain' | 'tls' | 'identity' | 'websockets' | 'mounted';

export interface Step {
  readonly name: string;
  readonly port: PortName;
  readonly program: 'mosquitto_pub' | 'mosquitto_sub' | 'mosquitto_rr';
  readonly args: readonly string[];
  /** Commands of mosquitto_pub that follow once the step's mosquitto_sub is subscribed. */
  readonly then?: readonly (readonly string[])[];
}

const alice = ['-u', 'alice', '-P', 'wonder'];
const bob = ['-u', 'bob', '-P', 'builder'];
const versions = ['mqttv31', 'mqttv311', 'mqttv5'];

/** mosquitto_pub with topic and payload; an exit code tells what the broker said. */
function pub(port: PortName, login: readonly string[], topic: string, more: string[] = []): Step {
  const args = [...login, '-t', topic, '-m', `to ${topic}`, ...more];
  return { name: words('pub', port, args), port, program: 'mosquitto_pub', args };
}

/** mosquitto_pub that removes a retained message. */
function clear(login: readonly string[], topic: string, more: string[]): Step {
  const args = [...login, '-t', topic, '-r', '-n', ...more];
  return { name: words('clear', 'plain', args), port: 'plain', program: 'mosquitto_pub', args };
}

/** mosquitto_sub that prints what comes within a second, or, on any machine, until `-C`. */
function sub(port: PortName, login: readonly string[], filter: string, more: string[] = []): Step {
  const seconds = more.includes('-C') ? '10' : '1';
  const args = [...login, '-t', filter, '-v', '-W', seconds, ...more];
  return { name: words('sub', port, args), port, program: 'mosquitto_sub', args };
}

/** mosquitto_sub, then what comes while it is there, until `count` messages came. */
function live(
  login: readonly string[],
  filters: readonly string[],
  count: number,
  then: readonly (readonly string[])[],
): Step {
  const topics = filters.flatMap((filter) => ['-t', filter]);
  const args = [...login, ...topics, '-C', `${count}`, '-W', '5', '-F', '%t %p %q %r'];
  const meanwhile = then.map((one) => one.join(' ')).join('; ');
  const name = `${words('sub', 'plain', args)} while ${meanwhile}`;
  return { name, port: 'plain', program: 'mosquitto_sub', args, then };
}

function words(what: string, port: string, args: readonly string[]): string {
  return `${what} at ${port}: ${args.join(' ')}`;
}

function logins(version: string): Step[] {
  const as = ['-V', version];
  return [
    pub('plain', [], 'open/x', as),
    pub('plain', ['-u', 'alice'], 'open/x', as),
    pub('plain', ['-u', 'alice', '-P', 'wrong'], 'open/x', as),
    pub('plain', ['-u', 'nobody', '-P', 'wonder'], 'open/x', as),
    pub('plain', ['-u', 'alice', '-P', ''], 'open/x', as),
    pub('plain', ['-u', 'Alice', '-P', 'wonder'], 'open/x', as),
    pub('plain', alice, 'open/x', as),
    sub('plain', [], 'open/#', as),
    sub('plain', ['-u', 'bob', '-P', 'wrong'], 'open/#', as),
  ];
}

function publishes(version: string): Step[] {
  const steps = ['0', '1', '2'].flatMap((qos) => {
    const as = ['-V', version, '-q', qos];
    return [
      pub('plain', alice, `open/${version}/${qos}`, [...as, '-r']),
      pub('plain', bob, 'open/from-bob', [...as, '-r']),
      pub('plain', bob, 'bob/own', as),
      pub('plain', alice, 'nowhere/allowed', [...as, '-r']),
      pub('plain', alice, 'open/denied/x', [...as, '-r']),
      pub('plain', bob, `ids/the-id/${qos}`, [...as, '-r', '-i', 'the-id']),
      pub('plain', bob, `ids/other/${qos}`, [...as, '-r', '-i', 'the-id']),
      pub('plain', alice, 'users/alice/x', [...as, '-r']),
      pub('plain', alice, 'users/bob/x', [...as, '-r']),
    ];
  });
  return [...steps, sub('plain', alice, '#', ['-V', version, '-q', '2', '--retained-only'])];
}

function reads(version: string): Step[] {
  const as = ['-V', version];
  return [
    sub('plain', alice, `open/${version}/+`, [...as, '-C', '3']),
    sub('plain', bob, `open/${version}/1`, [...as, '-C', '1', '-q', '1']),
    sub('plain', bob, 'nowhere/allowed', as),
    sub('plain', bob, 'ids/the-id/1', [...as, '-C', '1', '-i', 'the-id']),
    sub('plain', bob, 'ids/the-id/1', [...as, '-i', 'another-id']),
    live(alice, ['open/live', 'open/+'], 2, [
      [...alice, ...as, '-t', 'open/live', '-m', 'one', '-q', '0'],
      [...alice, ...as, '-t', 'open/denied/x', '-m', 'never'],
      [...alice, ...as, '-t', 'open/last', '-m', 'two', '-q', '0'],
    ]),
    live([...bob, ...as, '-q', '2'], ['bob/#', 'alice/#', 'users/%u/#'], 2, [
      [...bob, ...as, '-t', 'bob/1', '-m', 'first', '-q', '2'],
      [...alice, ...as, '-t', 'alice/1', '-m', 'unreadable', '-q', '1'],
      [...bob, ...as, '-t', 'bob/2', '-m', 'second', '-q', '2', '-r'],
    ]),
    clear(bob, 'bob/2', as),
  ];
}

/** CERTS stands for the folder of the certificates. */
const trusting = ['--cafile', 'CERTS/ca.crt', '-h', 'localhost'];

function certificate(name: string): string[] {
  return ['--cert', `CERTS/${name}.crt`, '--key', `CERTS/${name}.key`];
}

function secured(version: string): Step[] {
  const as = ['-V', version];
  return [
    pub('tls', alice, 'open/tls', [...as, ...trusting]),
    pub('tls', ['-u', 'alice', '-P', 'wrong'], 'open/tls', [...as, ...trusting]),
    pub('tls', [], 'open/tls', [...as, ...trusting]),
    pub('identity', [], 'users/sensor-1/x', [...as, ...trusting, ...certificate('client'), '-r']),
    sub('identity', [], 'users/sensor-1/x', [
      ...[...as, ...trusting, ...certificate('client'), '-C', '1'],
    ]),
    pub('identity', [], 'users/alice/y', [...as, ...trusting, ...certificate('client'), '-q', '1']),
    pub('mounted', alice, 'in', [...as, '-r', '-q', '1']),
    sub('plain', alice, 'open/mount/in', [...as, '-C', '1']),
    sub('mounted', alice, 'in', [...as, '-C', '1', '-F', '%p']),
    clear(alice, 'open/mount/in', as),
  ];
}

const onlyTls: readonly Step[] = [
  pub('tls', alice, 'open/x'),
  pub('tls', alice, 'open/x', ['--cafile', 'CERTS/other-ca.crt', '-h', 'localhost']),
  pub('tls', alice, 'open/x', ['--cafile', 'CERTS/ca.crt', '--insecure']),
  pub('tls', alice, 'open/x', ['--cafile', 'CERTS/ca.crt', '-h', '127.0.0.1']),
  pub('tls', alice, 'open/x', [...trusting, '--tls-version', 'tlsv1.2']),
  pub('tls', alice, 'open/x', [...trusting, '--tls-version', 'tlsv1.3']),
  pub('tls', alice, 'open/x', [...trusting, ...certificate('client')]),
  pub('identity', alice, 'open/x', [...trusting]),
  pub('identity', alice, 'open/x', [...trusting, ...certificate('stranger')]),
  pub('plain', alice, 'open/x', [...trusting]),
];

const v5 = ['-V', 'mqttv5'];

const onlyV5: readonly Step[] = [
  pub('plain', alice, 'open/alias', [...v5, '-D', 'publish', 'topic-alias', '3', '--repeat', '3']),
  pub('plain', alice, 'open/alias', [...v5, '-D', 'publish', 'topic-alias', '300']),
  pub('plain', alice, 'nowhere/x', [...v5, '-q', '1']),
  pub('plain', alice, 'nowhere/x', [...v5, '-q', '2']),
  pub('plain', alice, 'open/kept', [
    ...[...v5, '-r', '-q', '1', '-D', 'publish', 'message-expiry-interval', '1000'],
    ...['-D', 'publish', 'content-type', 'text', '-D', 'publish', 'user-property', 'k', 'v'],
  ]),
  sub('plain', alice, 'open/kept', [...v5, '-C', '1', '-F', '%t %p %C %P %q %r']),
  sub('plain', alice, 'open/kept', [...v5, '-C', '1', '--retain-as-published', '-F', '%r']),
  sub('plain', alice, 'open/#', [...v5, '-D', 'subscribe', 'subscription-identifier', '0']),
  pub('plain', alice, 'open/x', [...v5, '-D', 'connect', 'maximum-packet-size', '20']),
  pub('plain', alice, 'open/x', [...v5, '--will-topic', 'open/will', '--will-payload', 'w']),
  clear(alice, 'open/kept', v5),
  sub('plain', alice, 'open/kept', v5),
];

const odd: readonly Step[] = [
  sub('plain', alice, 'open/#/x'),
  sub('plain', alice, '+/+/+/#', ['--retained-only']),
  sub('plain', alice, '$SYS/broker/none'),
  pub('plain', alice, '$SYS/broker/version', ['-q', '1']),
  pub('plain', alice, 'open/empty-id', ['-i', '']),
  pub('plain', alice, 'open/no-clean', ['-c', '-i', 'named', '-q', '1']),
  sub('plain', alice, 'open/large', ['-C', '1']),
];

/**
 * Left out, since Mosquitto 2.0.11 differs from its manual or from the specification: the topics
 * that clients of a mount point see (it leaves the mount point in), and retained messages for a
 * shared subscription (it sends them).
 */
export const steps: readonly Step[] = [
  ...versions.flatMap((version) => [
    ...logins(version),
    ...publishes(version),
    ...reads(version),
    ...secured(version),
  ]),
  ...onlyTls,
  ...onlyV5,
  ...odd,
];
