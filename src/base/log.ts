/**
 * The log port. Events have a name and fields; what writes them is in ops/log. Never payloads or
 * secrets, never per message at `information`.
 */
export type LogLevel =
  | 'debug'
  | 'information'
  | 'notice'
  | 'warning'
  | 'error'
  | 'subscribe'
  | 'unsubscribe'
  | 'websockets';

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  /** `event` is a constant, lower-case phrase such as `client connected`. */
  write(level: LogLevel, event: string, fields?: LogFields): void;
  /** True when a level goes anywhere: ask before building costly fields. */
  enabled(level: LogLevel): boolean;
}

export const silentLog: Log = {
  write: () => undefined,
  enabled: () => false,
};
