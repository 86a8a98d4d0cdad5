/**
 * Traffic of a cluster, and which client is connected to which broker.
 *
 * Client `i` of either role connects to the port at `i` modulo their number and uses topic `i`
 * modulo the number of topics, so publisher `i` and subscriber `i` share a topic. With the same
 * ports they meet on one broker; with those of the subscribers turned by one, every message goes
 * from one broker to the next.
 */
export interface ClusterWorkload {
  readonly id: string;
  readonly name: string;
  readonly kind: 'local' | 'remote' | 'shared' | 'fan-out';
  /** A load that is not there with fewer brokers. */
  readonly brokersMin: number;
  /** Of every broker's configuration. */
  readonly lines: readonly string[];
  /** Of the load generator, with so many brokers and this prefix of all topics. */
  readonly load: (brokers: number, topics: string) => readonly string[];
}

/** Of a local, remote or shared load, at each broker. */
const CLIENTS_EACH = 4;
/** Of the fan-out, in all. Divisible by 1, 2 and 3. */
const FAN_OUT = 60;

export const clusterWorkloads: readonly ClusterWorkload[] = [
  pairs('local', 'qos0', 'QoS 0', '-q 0 -w 100'),
  pairs('local', 'qos1', 'QoS 1', '-q 1 -w 100'),
  pairs('local', 'durable', 'durable QoS 1', '-q 1 -w 50 -c'),
  pairs('remote', 'qos0', 'QoS 0', '-q 0 -w 100'),
  pairs('remote', 'qos1', 'QoS 1', '-q 1 -w 100'),
  pairs('remote', 'durable', 'durable QoS 1', '-q 1 -w 50 -c'),
  shared('round_robin', 1),
  shared('local', 2),
  {
    id: 'fan-out-qos0',
    name: `fan-out, QoS 0, 1 → ${FAN_OUT}`,
    kind: 'fan-out',
    brokersMin: 1,
    lines: [],
    load: () => `-P 1 -S ${FAN_OUT} -T 1 -q 0 -w 200`.split(' '),
  },
];

/** Those that the subscribers connect to, where the publishers connect to `ports`. */
export function subscriberPorts({ kind }: ClusterWorkload, ports: readonly number[]): number[] {
  return kind === 'remote' ? [...ports.slice(1), ...ports.slice(0, 1)] : [...ports];
}

function pairs(
  kind: 'local' | 'remote',
  id: string,
  what: string,
  options: string,
): ClusterWorkload {
  return {
    id: `${kind}-${id}`,
    name: `${kind}, ${what}, 4 → 4`,
    kind,
    brokersMin: kind === 'remote' ? 2 : 1,
    lines: [],
    load: (brokers) => clientsOf(brokers).concat(options.split(' ')),
  };
}

/** Each message goes to one of all subscribers. */
function shared(strategy: 'round_robin' | 'local', brokersMin: number): ClusterWorkload {
  return {
    id: `shared-${strategy}`,
    name: `shared, QoS 1, ${strategy}, 4 → 4`,
    kind: 'shared',
    brokersMin,
    lines: [`shared_subscription_strategy ${strategy}`],
    load: (brokers, topics) => [
      ...clientsOf(brokers),
      ...`-q 1 -w 100 -f $share/g/${topics}/#`.split(' '),
    ],
  };
}

function clientsOf(brokers: number): string[] {
  const count = String(CLIENTS_EACH * brokers);
  return ['-P', count, '-S', count, '-T', count];
}
