/** Configurations without a disk: files are a map, and errors are values. */
import { BrokerError } from '../../src/base/errors.js';
import type { Config, ListenerConfig } from '../../src/config/config.js';
import type { FileAccess } from '../../src/config/files.js';
import {
  type ConfigSources,
  type ParsedConfig,
  parseConfig,
} from '../../src/config/mosquitto-conf.js';

/** Paths and contents; a folder exists when a path lies in it. */
export function memoryFiles(contents: Readonly<Record<string, string | Uint8Array>>): FileAccess {
  const notFound = () => Object.assign(new Error('no such file'), { code: 'ENOENT' });
  return {
    readFile: (path) => {
      const content = Object.hasOwn(contents, path) ? contents[path] : undefined;
      if (content === undefined) throw notFound();
      return typeof content === 'string' ? Buffer.from(content) : content;
    },
    listFolder: (folder) => {
      const prefix = `${folder.replace(/\/+$/, '')}/`;
      const paths = Object.keys(contents).filter((path) => path.startsWith(prefix));
      if (paths.length === 0) throw notFound();
      return paths.map((path) => path.slice(prefix.length));
    },
  };
}

/** Parses `text` as the file `m.conf`. */
export function parse(text: string, sources: Partial<ConfigSources> = {}): ParsedConfig {
  const files = memoryFiles({ 'm.conf': text });
  const process = { hostName: 'host', pid: 7 };
  return parseConfig({ file: 'm.conf', files, hasIpv6Loopback: true, process, ...sources });
}

export function configOf(text: string, sources: Partial<ConfigSources> = {}): Config {
  return parse(text, sources).config;
}

/** The only listener of a configuration that has one. */
export function listenerOf(text: string, sources: Partial<ConfigSources> = {}): ListenerConfig {
  const { listeners } = configOf(text, sources);
  if (listeners.length !== 1) throw new Error(`expected one listener, found ${listeners.length}`);
  return listeners[0];
}

/** `LINE KEY: message` of each warning. */
export function warningsOf(text: string, sources: Partial<ConfigSources> = {}): string[] {
  const { warnings } = parse(text, sources);
  return warnings.map(({ line, key, message }) => `${line} ${key}: ${message}`);
}

/** The message of the `BrokerError` that the text ends in. */
export function errorOf(text: string, sources: Partial<ConfigSources> = {}): string {
  return brokerError('CONFIG', () => parse(text, sources));
}

export function brokerError(code: string, run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    if (error.code !== code) throw new Error(`expected ${code}, got ${error.code}`);
    if (error.message.includes('\n')) throw new Error('an error must be one line');
    return error.message;
  }
  throw new Error('expected an error, but all was well');
}
