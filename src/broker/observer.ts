/**
 * What the broker core tells whoever watches: the embedding program's events, presence, tests.
 * All methods are called after the fact, never on the path of a QoS 0 delivery.
 */
import type { Message } from '../protocol/message.js';
import type { ClientIdentity } from './access.js';

export interface Observer {
  clientConnected(client: ClientIdentity, sessionPresent: boolean): void;
  /** `reasonCode` as in DISCONNECT; `detail` says it for people. */
  clientDisconnected(client: ClientIdentity, reasonCode: number, detail: string): void;
  subscribed(client: ClientIdentity, filter: string, qos: number): void;
  unsubscribed(client: ClientIdentity, filter: string): void;
  /** False: `published` is not called, and costs nothing. */
  readonly wantsPublish: boolean;
  /** The message is a view: copy what is to be kept. */
  published(client: ClientIdentity | null, message: Message): void;
  /**
   * `count` messages were dropped; `clientId` is null where no session is concerned, `topic` empty
   * where the messages are not at hand.
   */
  dropped(reason: number, clientId: string | null, topic: string, count: number): void;
}

export const silentObserver: Observer = {
  clientConnected: () => undefined,
  clientDisconnected: () => undefined,
  subscribed: () => undefined,
  unsubscribed: () => undefined,
  wantsPublish: false,
  published: () => undefined,
  dropped: () => undefined,
};
