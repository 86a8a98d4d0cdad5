/**
 * Does a broker let clients in? One that was cut off does so only when it has joined the others
 * again, and Redis answers it.
 */
import { Line } from '../line.js';

const patienceMs = 5_000;

export function isServing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    let isWelcome = false;
    const line = new Line(port, 5, {
      onOpen: () =>
        line.send({
          cmd: 'connect',
          clientId: `probe-${port}`,
          protocolId: 'MQTT',
          protocolVersion: 5,
          clean: true,
          keepalive: 0,
          // A transient session would be let in without Redis.
          properties: { sessionExpiryInterval: 1 },
        }),
      onPacket: (packet) => {
        isWelcome = packet.cmd === 'connack' && packet.reasonCode === 0;
        const properties = { sessionExpiryInterval: 0 };
        if (isWelcome) line.send({ cmd: 'disconnect', reasonCode: 0, properties });
        line.close();
      },
      onClose: () => {
        clearTimeout(timer);
        resolve(isWelcome);
      },
      onMalformed: () => undefined,
    });
    const timer = setTimeout(() => line.destroy(), patienceMs);
  });
}
