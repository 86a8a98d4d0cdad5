/** A broker in this process, with MQTT.js clients that end with it. */
import type { AddressInfo } from 'node:net';
import type { IClientOptions } from 'mqtt';
import { type Broker, type BrokerOptions, createBroker } from '../../src/index.js';
import { TestClient } from '../integration/support/test-client.js';

export interface Scene {
  readonly broker: Broker;
  /** Of the first listener. */
  readonly port: number;
  connect(options?: IClientOptions): Promise<TestClient>;
  /** Not connected yet. */
  open(options?: IClientOptions): TestClient;
}

/** Runs `body` with a broker that listens on a free port of the loopback address. */
export async function withEmbedded(
  options: BrokerOptions,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const broker = createBroker(options);
  const clients: TestClient[] = [];
  try {
    const { port } = (await broker.listen({ port: 0 })) as AddressInfo;
    const open = (more: IClientOptions = {}) => {
      const client = TestClient.open({ protocol: 'mqtt', host: '127.0.0.1', port, ...more });
      clients.push(client);
      return client;
    };
    const connect = async (more?: IClientOptions) => {
      const client = open(more);
      await client.untilConnected();
      return client;
    };
    await body({ broker, port, connect, open });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
    await broker.close();
  }
}
