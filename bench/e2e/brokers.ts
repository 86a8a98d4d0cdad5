/** The brokers of the end-to-end table and how each is started with nothing but a port. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { BenchError } from '../bench-error.js';
import { aedesScript, compiledSources, distFolder, projectRoot } from '../paths.js';

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

/** The broker in `dist`, which must be what the sources beside this program say. */
export function findTidewire(): Broker {
  const names = readdirSync(compiledSources, { recursive: true, encoding: 'utf8' });
  for (const name of names) {
    if (!name.endsWith('.js')) continue;
    const built = `${distFolder}${name}`;
    if (existsSync(built) && isSameFile(built, `${compiledSources}${name}`)) continue;
    throw new BenchError(`dist/${name} is missing or out of date: run \`npm run build\``);
  }
  return {
    id: 'tidewire',
    name: 'Tidewire',
    version: versionIn(`${projectRoot}package.json`),
    command: process.execPath,
    args: (config) => [`${distFolder}broker.js`, '-c', config],
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

function isSameFile(a: string, b: string): boolean {
  return readFileSync(a).equals(readFileSync(b));
}

function versionIn(manifest: string): string {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
