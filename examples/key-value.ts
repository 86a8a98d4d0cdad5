/**
 * A service inside the broker: a store of values behind request and response (MQTT 5.0).
 *
 *     mosquitto_rr -V 5 -t store/set/colour -e answers -m blue
 *     mosquitto_rr -V 5 -t store/get/colour -e answers -n
 */
import { createBroker, type ReceivedMessage } from 'tidewire';

const VALUES_MAX = 10_000;
const values = new Map<string, Buffer>();
const broker = createBroker();

broker.subscribe('store/get/+', (request) => {
  answer(request, values.get(keyOf(request)) ?? Buffer.from('unknown'));
});

broker.subscribe('store/set/+', (request) => {
  const key = keyOf(request);
  if (!values.has(key) && values.size >= VALUES_MAX) {
    answer(request, Buffer.from('full'));
    return;
  }
  values.set(key, request.payload);
  answer(request, Buffer.from('ok'));
});

function keyOf({ topic }: ReceivedMessage): string {
  return topic.slice(topic.lastIndexOf('/') + 1);
}

function answer({ properties }: ReceivedMessage, payload: Buffer): void {
  const { responseTopic, correlationData } = properties;
  // Whoever does not say where the answer goes wants none.
  if (responseTopic === undefined) return;
  const related = correlationData === undefined ? {} : { correlationData };
  broker.publish(responseTopic, payload, { qos: 1, properties: related });
}

const address = await broker.listen({ port: Number(process.argv[2] ?? 1883) });
console.log(`listening on port ${typeof address === 'string' ? address : address.port}`);

process.once('SIGTERM', () => void broker.close());
process.once('SIGINT', () => void broker.close());
