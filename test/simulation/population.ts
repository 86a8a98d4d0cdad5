/** Who the clients of a history are. */
import type { History } from './history.js';
import { Publisher } from './publisher.js';
import type { ClientTraits } from './sim-client.js';
import { Subscriber } from './subscriber.js';

/** Bytes of a packet that some clients take. */
const SMALL_BYTES = 150;

export function makeClients(
  history: History,
  publishers: Publisher[],
  subscribers: Subscriber[],
): void {
  const { draw, isTight } = history;
  const traits = (isDurable: boolean, willChance = 0): ClientTraits => {
    const version = draw.chance(0.75) ? 5 : 4;
    const will = draw.chance(willChance)
      ? { qos: draw.pick([1, 2] as const), delayS: draw.pick([0, 0, 1, 3]) }
      : null;
    const maximumPacketSize = isTight && version === 5 && draw.chance(0.5) ? SMALL_BYTES : 0;
    return { version, isDurable, will, maximumPacketSize, isSlow: isTight && draw.chance(0.3) };
  };
  const qos = () => draw.pick([1, 2, 2] as const);
  for (let index = 0; index < 2 + draw.below(2); index++) {
    publishers.push(new Publisher(`p${index}`, traits(draw.chance(0.7), 0.5), history));
  }
  const add = (
    name: string,
    isDurable: boolean,
    filter: string,
    level: 0 | 1 | 2 = qos(),
  ): void => {
    const subscription = { filter, qos: level };
    subscribers.push(new Subscriber(name, traits(isDurable, 0.2), subscription, history));
  };
  add('d0', true, 't/#');
  if (draw.chance(0.5)) add('d1', true, '+/0');
  add('n0', false, 't/+');
  if (isTight) add('z0', false, 't/#', 0);
  if (draw.chance(0.5)) add('n1', false, '#');
  // Wills reach one that never loses any.
  add('w0', true, 'will/#', 2);
  if (draw.chance(0.7)) {
    add('g0', true, '$share/g/s/#');
    add('g1', draw.chance(0.5), '$share/g/s/#');
    if (draw.chance(0.5)) add('g2', false, '$share/g/s/#');
  }
}
