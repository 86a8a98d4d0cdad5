/**
 * Reads a configuration in the dialect of mosquitto.conf(5) into one frozen `Config`.
 *
 * A line is a key, white space, and a value; `#` starts a comment only as the first character of
 * a line, since values may hold it. What a key means is in the tables of keys-*.ts; here is what
 * holds for all: places, repetition, which listener a line belongs to, included files, and the
 * environment, which goes before the file.
 */
import { basename, dirname, resolve } from 'node:path';
import { assemble } from './assemble.js';
import { type BridgeDraft, newBridgeDraft } from './bridge-draft.js';
import type { Config, ConfigWarning } from './config.js';
import { type Draft, type ListenerDraft, newDraft, newListenerDraft } from './draft.js';
import { type Environment, environmentSettings } from './environment.js';
import { diskFiles, type FileAccess, hasIpv6Loopback, includedFiles, lookAt } from './files.js';
import type { Key, Target } from './key.js';
import { type ProcessIdentity, thisProcess } from './node-name.js';
import { failAt, type LineContext, type Place, where } from './place.js';
import { findKey, structureKeys, unknownKey } from './schema.js';
import { integer, shorten } from './values.js';

export interface ConfigSources {
  /** Path of the configuration file; null: none. */
  readonly file: string | null;
  /** `-p`: ports of the local-only listeners. */
  readonly ports?: readonly number[];
  /** `-v`: every log type, whatever the file says. */
  readonly isVerbose?: boolean;
  /** `-q`: no log type, whatever the file and `-v` say. */
  readonly isQuiet?: boolean;
  /** Default: none. The executable hands in `process.env`. */
  readonly environment?: Environment;
  readonly files?: FileAccess;
  /** Whether `::1` can be bound. Default: what this machine has. */
  readonly hasIpv6Loopback?: boolean;
  /** For the default of `node_name`. Default: this process. */
  readonly process?: ProcessIdentity;
}

export interface ParsedConfig {
  readonly config: Config;
  readonly warnings: readonly ConfigWarning[];
}

/** Throws a `BrokerError` with code `CONFIG` and one line that says what, where, what to do. */
export function parseConfig(sources: ConfigSources): ParsedConfig {
  const reader = new ConfigReader(sources.files ?? diskFiles);
  reader.readEnvironment(sources.environment ?? {});
  if (sources.file !== null) reader.readMainFile(sources.file);
  reader.checkEnvironment();
  const config = assemble(reader.draft, {
    source: sources.file,
    ports: sources.ports ?? [],
    isVerbose: sources.isVerbose ?? false,
    isQuiet: sources.isQuiet ?? false,
    hasIpv6Loopback: sources.hasIpv6Loopback ?? hasIpv6Loopback(),
    process: sources.process ?? thisProcess(),
    warn: (place, key, message) => reader.warn(place, key, message),
  });
  return Object.freeze({ config, warnings: Object.freeze(reader.warnings) });
}

/** Mosquitto's own bound for a text value. */
const VALUE_BYTES_MAX = 65_535;

const listenerPort = integer(0, 65_535);

interface Seen {
  readonly place: Place;
  readonly text: string;
}

class ConfigReader {
  readonly draft: Draft = newDraft();
  readonly warnings: ConfigWarning[] = [];
  private readonly files: FileAccess;
  /** Keys that a variable has set: lines of the file do not change them. */
  private readonly locked = new Map<string, Place>();
  /** Per draft object: the keys that it has been given. */
  private readonly seen = new Map<object, Map<string, Seen>>();
  private mainFile = '';
  private current: ListenerDraft = this.draft.defaultListener;
  private bridge: BridgeDraft | null = null;
  private firstAccessPlace: Place | null = null;

  constructor(files: FileAccess) {
    this.files = files;
  }

  readEnvironment(environment: Environment): void {
    const settings = environmentSettings(environment);
    for (const { key, value, place } of settings) this.applyLine(key, value, place);
    // Afterwards, since one variable may hold several values of a key.
    for (const { key, place } of settings) this.locked.set(key, place);
  }

  /** A variable cannot say which listener it means. */
  checkEnvironment(): void {
    if (!this.draft.perListenerSettings) return;
    for (const [key, place] of this.locked) {
      if (findKey(key)?.scope !== 'access') continue;
      failAt(place, 'the file has "per_listener_settings true": set this key there, per listener');
    }
  }

  readMainFile(path: string): void {
    this.mainFile = path;
    // Lines of the environment count neither as repeated nor as the first of something.
    this.seen.clear();
    this.firstAccessPlace = null;
    this.readFile(path);
  }

  warn(place: Place, key: string, message: string): void {
    this.warnings.push(Object.freeze({ file: place.file, line: place.line, key, message }));
  }

  /** Keys before the first `listener` of a file go to the default listener, as in Mosquitto. */
  private readFile(path: string): void {
    const bytes = lookAt({ file: path, line: 0 }, '', () => this.files.readFile(path));
    const outer = this.current;
    const outerBridge = this.bridge;
    this.current = this.draft.defaultListener;
    this.bridge = null;
    let line = 0;
    for (const raw of linesOf(bytes)) {
      line++;
      this.readLine(raw, { file: path, line });
    }
    this.current = outer;
    this.bridge = outerBridge;
  }

  private readLine(raw: Uint8Array, place: Place): void {
    const line = decode(raw, place).trim();
    if (line === '' || line.startsWith('#')) return;
    const name = line.split(/[ \t]/, 1)[0];
    this.applyLine(name, line.slice(name.length).trim(), place);
  }

  private applyLine(name: string, rest: string, place: Place): void {
    if (hasControlCharacter(name + rest))
      failAt(place, 'there is a control character in this line');
    const key = findKey(name);
    if (key === null) failAt(place, unknownKey(name));
    const line = this.contextOf(key, name, place);
    const value = key.words === 'one' ? firstWord(rest, line) : rest;
    if (value === '' && key.scope !== 'unsupported') {
      line.fail(`${name} needs a value: ${key.expects}`);
    }
    if (Buffer.byteLength(value) > VALUE_BYTES_MAX) {
      line.fail(`the value is longer than ${VALUE_BYTES_MAX} bytes`);
    }
    if (key === structureKeys.listener) this.startListener(value, line);
    else if (key === structureKeys.connection) this.startBridge(value, line);
    else if (key === structureKeys.includeDir) this.includeFolder(value, line);
    else if (key === structureKeys.perListenerSettings) this.setPerListener(value, line);
    else this.applyKey(key, value, line);
  }

  private applyKey(key: Key, value: string, line: LineContext): void {
    const isPerListener = key.scope === 'access' && this.draft.perListenerSettings;
    const access = isPerListener ? this.current.access : this.draft.access;
    const { bridge } = this;
    const target = { draft: this.draft, listener: this.current, access, bridge };
    if (key.scope === 'access') this.firstAccessPlace ??= line.place;
    if (key.scope === 'listener') this.checkListenerExists(key, line);
    if (key.scope === 'bridge' && bridge === null) {
      line.fail(`${key.name} belongs below a bridge: write "connection NAME" above it`);
    }
    const store = key.read(value, line);
    this.checkRepetition(holderOf(key, target), key, value, line);
    if (this.locked.has(key.name)) return;
    if (key.scope === 'listener' || isPerListener) {
      this.current.lines.push({ key: key.name, place: line.place });
    }
    store(target);
  }

  private checkListenerExists(key: Key, line: LineContext): void {
    const hasListener = this.current.place !== null || this.draft.isDefaultListenerOpened;
    if (!key.needsListener || hasListener) return;
    line.fail(`${key.name} belongs below a listener: write "listener PORT" above it`);
  }

  private checkRepetition(holder: object, key: Key, value: string, line: LineContext): void {
    if (key.again === 'append') return;
    const seen = this.seen.get(holder) ?? new Map<string, Seen>();
    this.seen.set(holder, seen);
    const before = seen.get(key.name);
    seen.set(key.name, { place: line.place, text: value });
    if (before === undefined) return;
    if (key.again === 'once') line.fail(`${key.name} was given before, at ${where(before.place)}`);
    if (before.text === value) return;
    line.warn(`this replaces "${shorten(before.text)}" from ${where(before.place)}`);
  }

  private startListener(value: string, line: LineContext): void {
    const [portText, address, ...more] = beforeComment(value.split(/[ \t]+/));
    if (portText === undefined) line.fail('listener needs a port');
    const port = listenerPort.read(portText, line);
    if (port === 0 && address === undefined) {
      line.fail('a listener with port 0 needs the path of a Unix socket: listener 0 PATH');
    }
    if (more.length > 0) line.warn(`"${shorten(more.join(' '))}" is ignored`);
    const listener = newListenerDraft(line.place);
    listener.port = port;
    if (port === 0) listener.socketPath = address ?? null;
    else listener.host = address ?? null;
    this.draft.listeners.push(listener);
    this.current = listener;
  }

  /** The following keys of bridges are this one's, until the next `connection` or the file ends. */
  private startBridge(name: string, line: LineContext): void {
    const [first, ...more] = beforeComment(name.split(/[ \t]+/));
    if (first === undefined || more.length > 0) line.fail('connection needs one word: a name');
    const before = this.draft.bridges.find((bridge) => bridge.name === first);
    if (before !== undefined) {
      line.fail(`a bridge "${shorten(first)}" was begun before, at ${where(before.place)}`);
    }
    this.bridge = newBridgeDraft(first, line.place);
    this.draft.bridges.push(this.bridge);
  }

  private includeFolder(folder: string, line: LineContext): void {
    if (line.place.file !== this.mainFile) {
      line.fail(`include_dir is only possible in the main file, ${this.mainFile}`);
    }
    const names = lookAt(line.place, `include_dir ${shorten(folder)} `, () =>
      this.files.listFolder(folder),
    );
    const isOwnFolder = resolve(folder) === dirname(resolve(this.mainFile));
    for (const name of includedFiles(names)) {
      if (isOwnFolder && name === basename(this.mainFile)) {
        line.fail(`${shorten(folder)} holds this very file: put the included files elsewhere`);
      }
      this.readFile(`${folder.replace(/\/+$/, '')}/${name}`);
    }
  }

  private setPerListener(value: string, line: LineContext): void {
    const key = structureKeys.perListenerSettings;
    const store = key.read(value, line);
    if (this.draft.perListenerSettings) {
      if (value !== 'true' && value !== '1') line.warn('once true, this stays true');
      return;
    }
    store({ draft: this.draft, listener: this.current, access: this.draft.access, bridge: null });
    if (!this.draft.perListenerSettings || this.firstAccessPlace === null) return;
    const first = where(this.firstAccessPlace);
    line.fail(`per_listener_settings must stand before the first access key, which is at ${first}`);
  }

  private contextOf(key: Key, name: string, place: Place): LineContext {
    return {
      key: name,
      place,
      warn: (message) => this.warn(place, key.name, message),
      fail: (message) => failAt(place, message),
    };
  }
}

/** Where a key counts as given before. */
function holderOf({ scope }: Key, { draft, listener, access, bridge }: Target): object {
  switch (scope) {
    case 'listener':
      return listener;
    case 'access':
      return access;
    case 'bridge':
      return bridge!;
    default:
      return draft;
  }
}

/** Mosquitto reads one word and ignores the rest; the rest is worth a warning, or is a comment. */
function firstWord(rest: string, line: LineContext): string {
  const word = rest.split(/[ \t]/, 1)[0];
  const ignored = rest.slice(word.length).trim();
  if (ignored !== '' && !ignored.startsWith('#')) {
    line.warn(`"${shorten(ignored)}" behind the value is ignored`);
  }
  return word;
}

function beforeComment(words: readonly string[]): string[] {
  const comment = words.findIndex((word) => word.startsWith('#'));
  return comment < 0 ? [...words] : words.slice(0, comment);
}

function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  let start = 0;
  while (start < bytes.length) {
    const found = bytes.indexOf(0x0a, start);
    const end = found < 0 ? bytes.length : found;
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}

/** The decoder also drops the byte order mark that some editors write. */
function decode(raw: Uint8Array, place: Place): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(raw);
  } catch (error) {
    return failAt(place, 'this line is not UTF-8', error);
  }
}

function hasControlCharacter(line: string): boolean {
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}
