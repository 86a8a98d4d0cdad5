/** The brokers of the end-to-end table and how each is started with nothing but a port. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { aedesScript, brokerScript, projectRoot } from '../paths.js';

export interface Broker {
  readonly id: 'tidewire' | 'mosquitto' | 'aedes';
  readonly name: string;
  readonly version: string;
  readonly command: string;
  /** `config` has a listener on `port` of loopback and allows anonymous clients. */
  readonly args: (config: string, port: number) => readonly string[];
}

/** What both Tidewire and Mosquitto are started with: their defaults but for the door. */
export function brokerConfig(port: number): string {
  return `listener ${port} 127.0.0.1\nallow_anonymous true\n`;
}

export function findTidewire(): Broker | null {
  if (!existsSync(brokerScript)) return null;
  return {
    id: 'tidewire',
    name: 'Tidewire',
    version: versionIn(`${projectRoot}package.json`),
    command: process.execPath,
    args: (config) => [brokerScript, '-c', config],
  };
}

/** Debian puts it into /usr/sbin, which is not on everybody's path. */
export function findMosquitto(): Broker | null {
  const places = ['mosquitto', '/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto'];
  for (const command of places) {
    const { stdout } = spawnSync(command, ['-h'], { encoding: 'utf8' });
    const version = /mosquitto version (\S+)/.exec(stdout ?? '');
    if (version === null) continue;
    const args = (config: string) => ['-c', config];
    return { id: 'mosquitto', name: 'Mosquitto', version: version[1], command, args };
  }
  return null;
}

export function findAedes(): Broker | null {
  const require = createRequire(import.meta.url);
  const folders = require.resolve.paths('aedes') ?? [];
  const manifest = folders.map((folder) => `${folder}/aedes/package.json`).find(existsSync);
  if (manifest === undefined) return null;
  return {
    id: 'aedes',
    name: 'Aedes',
    version: versionIn(manifest),
    command: process.execPath,
    args: (_config, port) => [aedesScript, String(port)],
  };
}

function versionIn(manifest: string): string {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
