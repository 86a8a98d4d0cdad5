/** The installed Mosquitto, as the one who knows what its files mean. */
import { spawnSync } from 'node:child_process';
import { userInfo } from 'node:os';
import { freePort } from '../support/port.js';
import { Child } from '../support/process.js';
import type { TempFolder } from '../support/temp.js';

/** False where the tests that ask Mosquitto are skipped. */
export const hasMosquitto: boolean = ['mosquitto', 'mosquitto_passwd'].every(
  (command) => spawnSync(command, ['--help']).error === undefined,
);

/**
 * Starts a broker with one listener per entry, each with settings of its own, and resolves with
 * their ports in order. It stays our user, who may read the test's files.
 */
export async function startMosquitto(
  folder: TempFolder,
  listeners: readonly (readonly string[])[],
): Promise<{ broker: Child; ports: number[] }> {
  const ports: number[] = [];
  let text = `user ${userInfo().username}\nper_listener_settings true\n`;
  for (const settings of listeners) {
    const port = await freePort();
    ports.push(port);
    text += `listener ${port} 127.0.0.1\n${settings.join('\n')}\n`;
  }
  const broker = await Child.start('mosquitto', ['-c', folder.write('mosquitto.conf', text)]);
  await broker.untilLine('running');
  return { broker, ports };
}
