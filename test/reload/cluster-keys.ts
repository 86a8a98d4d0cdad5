/** What shows that SIGHUP has changed a key of brokers that are one: by key. */
import { type EventEmitter, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import mqtt, { type MqttClient } from 'mqtt';
import * as assert from 'uvu/assert';
import { Assembly } from '../../src/assembly.js';
import type { Cluster } from '../../src/cluster/cluster.js';
import type { Config } from '../../src/config/config.js';
import { defaultAccess, defaultConfig, defaultListener } from '../../src/config/defaults.js';
import type { Observations } from './running-service.js';

const access = defaultAccess({ allowAnonymous: true });
const listener = defaultListener({ host: '127.0.0.1', port: 0, access });
const config = defaultConfig({ listeners: [listener] });

/** A broker with clients, which is not the only one; its configuration is read again. */
async function reloaded(
  changes: Partial<Config>,
  observe: (assembly: Assembly, clients: readonly MqttClient[]) => Promise<void>,
): Promise<void> {
  const assembly = new Assembly(config);
  await assembly.start();
  assembly.cluster = { hasPeers: true, tick: () => undefined } as unknown as Cluster;
  const { port } = assembly.listeners[0]!.addresses()[0] as AddressInfo;
  const url = `mqtt://127.0.0.1:${port}`;
  const options = { protocolVersion: 5, reconnectPeriod: 0 } as const;
  const clients = await Promise.all([1, 2].map(() => mqtt.connectAsync(url, options)));
  try {
    assembly.reload({ ...assembly.config, ...changes });
    await observe(assembly, clients);
  } finally {
    for (const client of clients) client.end(true);
    await assembly.close();
  }
}

export const clusterKeys: Observations = {
  drain_rate: () =>
    reloaded({ drainRate: 1 }, async (assembly) => {
      assert.is(assembly.drainMs, 2_000);
      assembly.cluster = null;
    }),
  server_reference: () =>
    reloaded({ drainRate: 0, serverReference: 'other:1883' }, async (assembly, clients) => {
      const told = Promise.all(
        clients.map((client) => once(client as unknown as EventEmitter, 'disconnect')),
      );
      await assembly.close();
      for (const [packet] of await told) {
        assert.equal([packet.reasonCode, packet.properties.serverReference], [0x9c, 'other:1883']);
      }
    }),
};
