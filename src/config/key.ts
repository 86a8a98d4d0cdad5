/**
 * What the parser knows about one key. The tables in keys-*.ts are made of these; everything
 * that a key can do goes through here, so that the parser itself knows no key by name.
 */
import type { BridgeDraft } from './bridge-draft.js';
import type { AccessDraft, Draft, ListenerDraft } from './draft.js';
import type { LineContext } from './place.js';
import type { ValueParser } from './values.js';

/**
 * `access`: global, or of the current listener with `per_listener_settings true`.
 * `bridge`: of the current `connection`. `structure`: `listener`, `connection` and `include_dir`,
 * which change what the following lines mean.
 */
export type KeyScope = 'global' | 'access' | 'listener' | 'bridge' | 'structure' | 'unsupported';

/**
 * A second time in the same scope. `last`: the later one counts. `once`: an error, as in
 * Mosquitto. `append`: each one adds.
 */
export type Again = 'last' | 'once' | 'append';

export interface KeyOptions {
  readonly again?: Again;
  /** True: an error before any `listener`, `port` or `bind_address`. */
  readonly needsListener?: boolean;
}

/** What a read value is put into. */
export interface Target {
  readonly draft: Draft;
  readonly listener: ListenerDraft;
  readonly access: AccessDraft;
  /** Null above the first `connection`. */
  readonly bridge: BridgeDraft | null;
}

export interface Key {
  readonly name: string;
  readonly scope: KeyScope;
  readonly words: 'one' | 'rest';
  readonly expects: string;
  readonly again: Again;
  readonly needsListener: boolean;
  /** Checks the value; the returned function stores it. */
  read(text: string, line: LineContext): (target: Target) => void;
}

export function globalKey<T>(
  name: string,
  value: ValueParser<T>,
  set: (draft: Draft, value: T, line: LineContext) => void,
  options: KeyOptions = {},
): Key {
  return makeKey(name, 'global', value, options, (target, v, line) => set(target.draft, v, line));
}

export function listenerKey<T>(
  name: string,
  value: ValueParser<T>,
  set: (listener: ListenerDraft, value: T, line: LineContext) => void,
  options: KeyOptions = {},
): Key {
  return makeKey(name, 'listener', value, options, (target, v, line) =>
    set(target.listener, v, line),
  );
}

export function accessKey<T>(
  name: string,
  value: ValueParser<T>,
  set: (access: AccessDraft, value: T, line: LineContext) => void,
  options: KeyOptions = {},
): Key {
  return makeKey(name, 'access', value, options, (target, v, line) => set(target.access, v, line));
}

export function makeKey<T>(
  name: string,
  scope: KeyScope,
  value: ValueParser<T>,
  options: KeyOptions,
  set: (target: Target, value: T, line: LineContext) => void,
): Key {
  return {
    name,
    scope,
    words: value.words,
    expects: value.expects,
    again: options.again ?? 'last',
    needsListener: options.needsListener ?? false,
    read: (text, line) => {
      const parsed = value.read(text, line);
      return (target) => set(target, parsed, line);
    },
  };
}
