/**
 * A subscriber inside the process: what it gets is handed over at the end of the turn, so that a
 * handler which publishes or subscribes never does so in the middle of a delivery.
 */
import { randomUUID } from 'node:crypto';
import { FileAccess } from './access/file-access.js';
import type { ClientIdentity } from './broker/access.js';
import type { BrokerCore } from './broker/core.js';
import type { Session } from './broker/session.js';
import type { Flushable } from './broker/turn.js';
import type { AccessConfig } from './config/config.js';
import { defaultAccess, defaultListener } from './config/defaults.js';
import { callProgram } from './event-queue.js';
import { checkTopicFilter } from './program-input.js';
import { type ReceivedMessage, receivedMessage } from './received-message.js';

export type MessageHandler = (message: ReceivedMessage) => void;

export class Subscriber implements Flushable {
  private readonly core: BrokerCore;
  private readonly session: Session;
  private readonly handler: MessageHandler;
  private waiting: ReceivedMessage[] = [];
  private isClosed = false;

  /** @throws MqttError 0x8F when `filter` is no topic filter */
  constructor(core: BrokerCore, access: AccessConfig, filter: string, handler: MessageHandler) {
    checkTopicFilter(filter);
    this.core = core;
    this.handler = handler;
    core.turn.begin();
    const identity = programIdentity(access);
    this.session = core.sessions.begin(identity, new FileAccess(defaultAccess()));
    this.session.handler = (message) => this.push(receivedMessage(message));
    const request = {
      filter,
      qos: 2,
      noLocal: false,
      retainAsPublished: true,
      retainHandling: 0,
    } as const;
    const retained = core.subscriptions.add(this.session, filter, request, request.qos, 0);
    for (const message of core.subscriptions.messagesFor(retained!)) {
      this.push(receivedMessage(message));
    }
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.core.turn.begin();
    this.waiting = [];
    this.core.sessions.end(this.session);
  }

  /** Hands over what came in this turn. */
  flush(): void {
    const messages = this.waiting;
    this.waiting = [];
    for (const message of messages) {
      // A handler may end its own subscription.
      if (this.isClosed) return;
      callProgram(() => this.handler(message));
    }
  }

  private push(message: ReceivedMessage): void {
    if (this.waiting.length === 0) this.core.turn.markDirty(this);
    this.waiting.push(message);
  }
}

function programIdentity(access: AccessConfig): ClientIdentity {
  return {
    clientId: `$program-${randomUUID()}`,
    username: null,
    peer: {
      remoteAddress: 'in-process',
      remotePort: 0,
      identity: null,
      subject: null,
      isTls: false,
    },
    listener: defaultListener({ access }),
    protocolVersion: 5,
  };
}
