/**
 * The smallest embedding program: a broker that also listens to what its clients say.
 *
 *     node examples/embed.mjs 1883
 *     mosquitto_pub -t sensors/kitchen/temperature -m 21.5
 */
import { createBroker } from 'tidewire';

const broker = createBroker();

broker.subscribe('sensors/+/temperature', ({ topic, payload }) => {
  const celsius = Number(payload.toString());
  const room = topic.split('/')[1];
  console.log(`${room}: ${celsius} °C`);
  if (celsius > 30) broker.publish(`alarms/${room}`, 'too hot', { qos: 1, retain: true });
});

const port = Number(process.argv[2] ?? 1883);
const address = await broker.listen({ port });
console.log(`listening on port ${typeof address === 'string' ? address : address.port}`);

process.once('SIGTERM', () => void broker.close());
process.once('SIGINT', () => void broker.close());
