/**
 * A subscriber inside the process: what it gets is handed over at the end of the turn, so that a
 * handler which publishes or subscribes never does so in the middle of a delivery.
 */
import { randomUUID } from 'node:crypto';
import { FileAccess } from './access/file-access.js';
import type { ClientIdentity } from './broker/access.js';
import type { BrokerCore } from './broker/core.js';
import { DropReason } from './broker/metrics.js';
import type { Session } from './broker/session.js';
import type { SharedGroup } from './broker/shared-group.js';
import type { Flushable } from './broker/turn.js';
import type { AccessConfig } from './config/config.js';
import { defaultAccess, defaultListener } from './config/defaults.js';
import { callProgram } from './event-queue.js';
import { checkTopicFilter } from './program-input.js';
import type { Message } from './protocol/message.js';
import { type ReceivedMessage, receivedMessage } from './received-message.js';

export type MessageHandler = (message: ReceivedMessage) => void;

export class Subscriber implements Flushable {
  private readonly core: BrokerCore;
  private readonly session: Session;
  /** Of a shared subscription; null for others. */
  private readonly group: SharedGroup | null;
  private readonly handler: MessageHandler;
  /** Kept messages: those of a shared subscription may yet go to another member. */
  private waiting: Message[] = [];
  private isClosed = false;

  /** @throws MqttError 0x8F when `filter` is no topic filter */
  constructor(core: BrokerCore, access: AccessConfig, filter: string, handler: MessageHandler) {
    checkTopicFilter(filter);
    this.core = core;
    this.handler = handler;
    core.turn.begin();
    const identity = programIdentity(access);
    this.session = core.sessions.begin(identity, new FileAccess(defaultAccess()));
    this.session.handler = (message) => this.push(message.keep(core.flightSlab));
    const request = {
      filter,
      qos: 2,
      noLocal: false,
      retainAsPublished: true,
      retainHandling: 0,
    } as const;
    // Null for a shared subscription: it gets no retained messages (MQTT 5.0, section 4.8.2).
    const retained = core.subscriptions.add(this.session, filter, request, request.qos, 0);
    this.group = this.session.subscriptions!.get(filter)!.group;
    if (retained === null) return;
    for (const message of core.subscriptions.messagesFor(retained)) this.push(message);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.core.turn.begin();
    this.session.handler = null;
    this.core.sessions.end(this.session);
    const unseen = this.waiting;
    this.waiting = [];
    this.passOn(unseen);
  }

  /** Hands over what came in this turn. */
  flush(): void {
    const messages = this.waiting;
    this.waiting = [];
    for (let index = 0; index < messages.length; index++) {
      // A handler may end its own subscription.
      if (this.isClosed) {
        this.passOn(messages.slice(index));
        return;
      }
      const received = receivedMessage(messages[index]!);
      callProgram(() => this.handler(received));
    }
  }

  private push(message: Message): void {
    if (this.waiting.length === 0) this.core.turn.markDirty(this);
    this.waiting.push(message);
  }

  /** Messages that this member of a shared subscription has not seen are still the group's. */
  private passOn(messages: readonly Message[]): void {
    const { core, group, session } = this;
    if (group === null) return;
    core.turn.begin();
    for (const message of messages) {
      if (core.router.redeliver(group, message)) continue;
      core.drop(DropReason.SessionEnded, message, session);
    }
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
