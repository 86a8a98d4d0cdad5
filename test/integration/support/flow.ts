/**
 * One end of a flow of numbered messages, in a process of its own so that it can be killed:
 * `node flow.js publish|subscribe PORT CLIENT-ID QOS COUNT`. It prints each number as soon as the
 * message with it is acknowledged (publisher) or before it is acknowledged (subscriber).
 */
import { connect } from 'mqtt';
import { printLine } from '../../support/print-line.js';

const topic = 'flow';
/** Messages that the publisher has under way. */
const windowSize = 50;

const [role, port, clientId, qosText, count] = process.argv.slice(2);
const qos = Number(qosText) as 0 | 1 | 2;
const client = connect({
  host: '127.0.0.1',
  port: Number(port),
  protocolVersion: 5,
  clientId,
  clean: false,
  properties: { sessionExpiryInterval: 3600 },
  reconnectPeriod: 0,
});

if (role === 'publish') await publishAll();
else await subscribe();

async function publishAll(): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let number = next++; number < Number(count); number = next++) {
      await client.publishAsync(topic, `${number}`, { qos });
      printLine(`${number}`);
    }
  };
  await Promise.all(Array.from({ length: windowSize }, work));
  await client.endAsync();
}

async function subscribe(): Promise<void> {
  // Now, and not when there is a connection: what waited comes with CONNACK.
  client.on('message', (_topic, payload) => printLine(payload.toString()));
  await client.subscribeAsync(topic, { qos });
  printLine('subscribed');
}
