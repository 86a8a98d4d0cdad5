/** Clients, listeners and logs for the tests of access. */
import type { Log, LogFields, LogLevel } from '../../src/base/log.js';
import type { ClientIdentity } from '../../src/broker/access.js';
import type { PeerInfo } from '../../src/broker/transport.js';
import type { ListenerConfig } from '../../src/config/config.js';
import { defaultListener } from '../../src/config/defaults.js';

export interface ClientOptions {
  readonly clientId?: string;
  readonly username?: string | null;
  readonly peer?: Partial<PeerInfo>;
  readonly listener?: Partial<ListenerConfig>;
}

export function aClient(options: ClientOptions = {}): ClientIdentity {
  return {
    clientId: options.clientId ?? 'client',
    username: options.username ?? null,
    peer: {
      remoteAddress: '127.0.0.1',
      remotePort: 40_000,
      identity: null,
      subject: null,
      isTls: false,
      ...options.peer,
    },
    listener: defaultListener(options.listener),
    protocolVersion: 5,
  };
}

export interface LogEntry {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

/** A log that keeps everything. */
export class KeptLog implements Log {
  readonly entries: LogEntry[] = [];

  write(level: LogLevel, event: string, fields: LogFields = {}): void {
    this.entries.push({ level, event, fields });
  }

  enabled(): boolean {
    return true;
  }

  events(level: LogLevel): string[] {
    return this.entries.filter((entry) => entry.level === level).map(({ event }) => event);
  }
}

/** The error that `body` throws or rejects with. */
export async function errorOf(body: () => unknown): Promise<Error> {
  try {
    await body();
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error('something else than an Error was thrown', { cause: error });
  }
  throw new Error('nothing was thrown');
}
