/**
 * The workloads of the end-to-end table, with what Tidewire must reach and aims at, both as
 * multiples of Mosquitto's deliveries per second of broker CPU time.
 */
export interface Workload {
  readonly id: string;
  readonly name: string;
  /** Options of the load generator. */
  readonly load: readonly string[];
  /** `rate`: must and aim are factors, more is better; `memory`: KB, less is better. */
  readonly kind: 'rate' | 'memory';
  readonly must: number;
  readonly aim: number;
}

export const IDLE_CONNECTIONS = 9000;

export const workloads: readonly Workload[] = [
  rate('qos0-1-1', 'QoS 0, 1 → 1', '-P 1 -S 1 -q 0 -w 1000', 8, 12),
  rate('qos1-4-4', 'QoS 1, 4 → 4', '-P 4 -S 4 -T 4 -q 1 -w 100', 15, 22),
  rate('qos2-4-4', 'QoS 2, 4 → 4', '-P 4 -S 4 -T 4 -q 2 -w 100', 10, 20),
  rate('qos0-1-50', 'QoS 0, 1 → 50', '-P 1 -S 50 -T 1 -q 0 -w 200', 18, 30),
  rate(
    'qos1-500-500',
    'QoS 1, 500 → 500, 1 in flight',
    '-P 500 -S 500 -T 500 -q 1 -w 1',
    0.95,
    1.2,
  ),
  rate('qos0-200-1', 'QoS 0, 200 → 1 wildcard', '-P 200 -S 1 -T 200 -f bench/# -q 0 -w 20', 12, 22),
  rate('qos1-v5-4-4', 'QoS 1 v5, 4 → 4', '-P 4 -S 4 -T 4 -q 1 -w 100 -V 5', 12, 20),
  rate('qos0-4k-2-2', 'QoS 0, 4 KiB, 2 → 2', '-P 2 -S 2 -T 2 -q 0 -s 4096 -w 100', 4, 6),
  {
    id: 'idle',
    name: 'Idle connection',
    load: ['-P', String(IDLE_CONNECTIONS), '-i'],
    kind: 'memory',
    must: 7,
    aim: 4,
  },
];

function rate(id: string, name: string, load: string, must: number, aim: number): Workload {
  return { id, name, load: load.split(' '), kind: 'rate', must, aim };
}
