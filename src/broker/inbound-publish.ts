/**
 * PUBLISH from a client: checks, access, retain, routing, acknowledgement. Hot path.
 */
import type { Block } from '../base/block.js';
import { type Message, NEVER } from '../protocol/message.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { malformed, protocolError } from '../protocol/properties.js';
import type { PublishReader } from '../protocol/publish-reader.js';
import { PUBACK_BYTE, PUBREC_BYTE } from '../protocol/publish-writer.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { acknowledge } from './acknowledgements.js';
import { closeConnection } from './closing.js';
import type { Connection } from './connection.js';
import { holdForAnswer } from './held-for-answer.js';
import type { Journal } from './journal.js';
import { DropReason } from './metrics.js';
import { PendingAck, PendingAcks } from './pending-acks.js';
import { Routed } from './router.js';
import type { Session } from './session.js';
import { isSameName, type Topic } from './topics.js';

/** @throws MqttError for what closes the connection */
export function handlePublish(
  connection: Connection,
  flags: number,
  block: Block,
  packetStart: number,
  start: number,
  end: number,
): void {
  const { core } = connection;
  const reader = core.publishReader;
  const { bytes } = block;
  reader.read(bytes, flags, start, end, connection.isV5);
  connection.countPublish();
  connection.hasPublished = true;
  core.metrics.publishReceived++;
  core.metrics.publishBytesReceived += end - reader.payloadStart;
  const topic = resolveTopic(connection, reader, bytes);
  if (reader.qos > connection.listener.maxQos) {
    throw new MqttError(ReasonCode.QosNotSupported, 'QoS above Maximum QoS');
  }
  if (reader.retain && !core.delivery.retainAvailable) {
    throw new MqttError(ReasonCode.RetainNotSupported, 'retained messages are not available');
  }
  if (reader.qos === 2 && isRepeated(connection, reader.packetId)) return;
  if (!reader.hasValidPayload(bytes)) {
    refuse(connection, reader.qos, reader.packetId, ReasonCode.PayloadFormatInvalid);
    return;
  }
  const message = viewOf(connection, reader, topic, block, packetStart);
  const { packetId } = reader;
  // A hook that is asked now may disconnect its own client.
  const session = connection.session!;
  const answered = mayPublish(connection, topic, reader);
  const { unheard } = connection;
  const isAllowed = unheard === null || message.qos === 0 ? answered : unheard.then(() => answered);
  if (isAllowed === true) accept(connection, session, topic, message, packetId);
  else if (isAllowed === false) denied(connection, message, packetId);
  else acceptLater(connection, session, topic, message, packetId, isAllowed);
}

function resolveTopic(connection: Connection, reader: PublishReader, bytes: Buffer): Topic {
  const { topicStart, topicEnd, topicAlias } = reader;
  if (topicAlias === 0) {
    const last = connection.lastTopic;
    if (last !== null && isSameName(last, bytes, topicStart, topicEnd)) return last;
    if (topicStart === topicEnd) {
      throw connection.isV5
        ? protocolError('neither topic name nor Topic Alias')
        : malformed('topic name is empty');
    }
    return nameTopic(connection, bytes, topicStart, topicEnd);
  }
  const aliases = connection.inboundAliases!;
  if (topicStart === topicEnd) return aliases.get(topicAlias);
  const topic = nameTopic(connection, bytes, topicStart, topicEnd);
  aliases.set(topicAlias, topic);
  return topic;
}

/** The topic of these bytes, the listener's mount point before it. */
function nameTopic(connection: Connection, bytes: Buffer, start: number, end: number): Topic {
  const { core, listener } = connection;
  try {
    const topic = core.topics.resolve(bytes, start, end);
    if (listener.mountPoint !== '') return core.topics.fromName(listener.mountPoint + topic.name);
    connection.lastTopic = topic;
    return topic;
  } catch (error) {
    core.metrics.topicsRefused++;
    throw error;
  }
}

/** True when the QoS 2 message was seen before: it is acknowledged again, not delivered. */
function isRepeated(connection: Connection, packetId: number): boolean {
  const receiver = connection.session!.receiving();
  if (receiver.isHeld(packetId)) {
    receiver.onRepeated(packetId);
    const pending = receiver.pendingOf(packetId);
    if (pending !== null) {
      acksOf(connection).add(pending);
      return true;
    }
    answer(connection, 2, packetId, ReasonCode.Success, null);
    return true;
  }
  if (receiver.inflight >= connection.receiveMaximum) {
    connection.core.metrics.receiveMaximumExceeded++;
    throw new MqttError(ReasonCode.ReceiveMaximumExceeded, 'more messages than Receive Maximum');
  }
  return false;
}

/** The message as a view of the packet, in the one view that the core reuses. */
function viewOf(
  connection: Connection,
  reader: PublishReader,
  topic: Topic,
  block: Block,
  packetStart: number,
): Message {
  const { core } = connection;
  const message = core.inbound;
  message.topic = topic;
  message.qos = reader.qos;
  message.retain = reader.retain;
  message.block = block;
  message.propertiesStart = reader.propertiesStart;
  message.payloadStart = reader.payloadStart;
  message.end = reader.end;
  message.expiryAt = reader.expiryAt;
  message.publisherId = connection.session!.clientId;
  message.isV5 = connection.isV5;
  message.kept = null;
  message.expiresAtMs = NEVER;
  if (reader.messageExpiryInterval >= 0) {
    message.expiresAtMs = core.turn.nowMs + reader.messageExpiryInterval * 1000;
  }
  if (reader.topicAliasAt >= 0) removeAlias(message, reader.topicAliasAt);
  const isRaw =
    (reader.qos > 0 || !reader.retain) &&
    reader.expiryAt < 0 &&
    reader.topicAliasAt < 0 &&
    connection.listener.mountPoint === '';
  message.rawStart = isRaw ? packetStart : -1;
  message.rawEnd = reader.end;
  message.rawIdAt = reader.topicEnd;
  return message;
}

/** Takes the Topic Alias out of the properties by moving those before it; the buffer is ours. */
function removeAlias(message: Message, aliasAt: number): void {
  const { bytes } = message.block;
  bytes.copyWithin(message.propertiesStart + 3, message.propertiesStart, aliasAt);
  message.propertiesStart += 3;
  if (message.expiryAt >= 0 && message.expiryAt < aliasAt) message.expiryAt += 3;
}

function mayPublish(
  connection: Connection,
  topic: Topic,
  reader: PublishReader,
): boolean | Promise<boolean> {
  const { access } = connection;
  if (topic.isReserved) return false;
  if (!access.restrictsPublish) return true;
  const isKnown = topic === connection.checkedTopic && connection.accessVersion === access.version;
  if (isKnown) return connection.isTopicAllowed;
  const { version } = access;
  const answer = access.mayPublish(connection.identity!, topic.name, reader.qos, reader.retain);
  if (typeof answer === 'boolean') remember(connection, topic, answer, version);
  return answer;
}

/** @param version of the rules that were asked; the answer counts for no others */
function remember(connection: Connection, topic: Topic, isAllowed: boolean, version: number): void {
  if (!connection.access.publishAnswersLast) return;
  connection.checkedTopic = topic;
  connection.isTopicAllowed = isAllowed;
  connection.accessVersion = version;
}

/**
 * The authorizer takes its time. The message is heard although its client may leave, or have its
 * session taken over, before the answer is there.
 */
function acceptLater(
  connection: Connection,
  session: Session,
  topic: Topic,
  view: Message,
  packetId: number,
  answered: Promise<boolean>,
): void {
  const message = view.keep(connection.core.flightSlab);
  const { version } = connection.access;
  const { epoch } = session;
  holdForAnswer(connection, answered, (isAllowed) => {
    if (isAllowed !== null) remember(connection, topic, isAllowed, version);
    // On another connection the client sends it again, and that is asked about [MQTT-4.4.0-1].
    if (message.qos === 2 && session.epoch !== epoch) return;
    if (isAllowed) accept(connection, session, topic, message, packetId);
    else denied(connection, message, packetId);
  });
}

function denied(connection: Connection, message: Message, packetId: number): void {
  const { core } = connection;
  core.drop(DropReason.NotAuthorized, message);
  if (core.log.enabled('debug')) {
    core.log.write('debug', 'publish denied', {
      clientId: connection.identity!.clientId,
      topic: message.topic.name,
    });
  }
  answer(connection, message.qos, packetId, ReasonCode.NotAuthorized, 'not authorized to publish');
}

/**
 * Takes the message over: it is retained, routed and acknowledged [MQTT-4.5.0-1].
 *
 * @param session of the publisher, which may have lost its connection
 */
function accept(
  connection: Connection,
  session: Session,
  topic: Topic,
  message: Message,
  packetId: number,
): void {
  const { core } = connection;
  const { limits } = core;
  if (limits.messageBytesMax > 0 && message.payloadLength > limits.messageBytesMax) {
    core.drop(DropReason.TooLarge, message);
    answer(connection, message.qos, packetId, ReasonCode.QuotaExceeded, 'message too large');
    return;
  }
  if (core.journal?.isOverloaded && (message.qos > 0 || message.retain)) {
    closeConnection(connection, ReasonCode.ServerBusy, 'too much waits for the store', {});
    return;
  }
  if (core.wantsPublish) core.observer.published(connection.identity, message);
  const journal = message.qos > 0 ? core.journal : null;
  if (journal !== null) beginStored(journal, session, message, packetId);
  let code: number = ReasonCode.Success;
  const mayRefuse = message.qos > 0 && connection.isV5 && !connection.isClosed;
  const routed = core.router.publish(topic, message, connection, mayRefuse);
  if (core.messageLog !== null && routed !== Routed.Refused) core.messageLog.onPublished(message);
  if (message.retain && routed !== Routed.Refused && !retain(connection, message)) {
    code = ReasonCode.QuotaExceeded;
  }
  if (message.retain || message.qos === 2) core.journal?.press(connection);
  const { qos } = message;
  if (qos === 0) return;
  if (core.peers?.isDoubtful) core.peers.await();
  const pending = journal === null ? null : journal.end();
  if (routed === Routed.Refused) {
    core.drop(DropReason.Refused, message);
    code = ReasonCode.QuotaExceeded;
  } else if (routed === Routed.NoMatch && code === ReasonCode.Success) {
    code = ReasonCode.NoMatchingSubscribers;
  }
  // Without a connection the client is not told to give it up: it may send it again.
  const isTaken = code < ReasonCode.UnspecifiedError || connection.isClosed;
  if (qos === 2 && (isTaken || pending !== null)) {
    session.receiving().onPublish(packetId);
    if (pending !== null) session.receiving().awaitSafe(packetId, pending);
  }
  if (pending === null) answer(connection, qos, packetId, code, null);
  else answerWhenSafe(connection, qos, packetId, code, pending);
}

/** What is written for the message from here on, its acknowledgement waits for. */
function beginStored(journal: Journal, session: Session, message: Message, packetId: number): void {
  journal.begin();
  const { stored } = session;
  if (message.qos < 2 || stored === null) return;
  const earlier = session.receiving().resumeNumber(packetId);
  const number = earlier > 0 ? earlier : stored.hold(packetId).number;
  journal.markWith({ publisherId: session.clientId, number });
}

/** PUBACK or PUBREC, once what it says is true. */
function answerWhenSafe(
  connection: Connection,
  qos: number,
  packetId: number,
  code: number,
  pending: PendingAck,
): void {
  pending.firstByte = qos === 1 ? PUBACK_BYTE : PUBREC_BYTE;
  pending.packetId = packetId;
  pending.reasonCode = code;
  if (!connection.isClosed) acksOf(connection).add(pending);
}

function acksOf(connection: Connection): PendingAcks {
  connection.acks ??= new PendingAcks(
    {
      prepare: (ack) => forgetRefused(connection, ack),
      send: (ack) => sendAck(connection, ack),
    },
    connection,
  );
  return connection.acks;
}

function sendAck(connection: Connection, ack: PendingAck): void {
  if (connection.isClosed || connection.sender === null) return;
  const { packetId, isRefused, reason } = ack;
  const firstByte = ack.firstByte === PUBACK_BYTE ? PUBACK_BYTE : PUBREC_BYTE;
  if (isRefusedQos2(connection, ack)) connection.session!.receiver?.forget(packetId);
  const code = isRefused ? ReasonCode.QuotaExceeded : ack.reasonCode;
  acknowledge(connection, firstByte, packetId, code, reason);
}

/**
 * The client may use the identifier of a QoS 2 message again as soon as it hears that it was not
 * taken: by then it is not in the store any more, or the next message would pass for a repetition.
 */
function forgetRefused(connection: Connection, ack: PendingAck): void {
  if (connection.isClosed || !isRefusedQos2(connection, ack)) return;
  const { stored, receiver } = connection.session!;
  if (stored === null || !receiver?.isTaken(ack.packetId)) return;
  ack.pending++;
  stored.forget(ack.packetId, () => ack.onSafe());
}

/** The client is told: MQTT 5.0 only. */
function isRefusedQos2(connection: Connection, ack: PendingAck): boolean {
  return connection.isV5 && ack.firstByte === PUBREC_BYTE && ack.isFailed;
}

function retain(connection: Connection, message: Message): boolean {
  const { core, access, claimEpoch } = connection;
  return core.retain(message, { identity: connection.identity!, access, claimEpoch });
}

/** PUBACK or PUBREC; nothing at QoS 0. The connection may have been closed meanwhile. */
function answer(
  connection: Connection,
  qos: number,
  packetId: number,
  code: number,
  reason: string | null,
): void {
  if (qos === 0 || connection.isClosed) return;
  if (qos === 2 && !connection.isV5 && code >= ReasonCode.UnspecifiedError) {
    connection.session!.receiving().onPublish(packetId);
  }
  const firstByte = qos === 1 ? PUBACK_BYTE : PUBREC_BYTE;
  if (mayAnswerNow(connection, qos, packetId, code)) {
    acknowledge(connection, firstByte, packetId, code, reason);
    return;
  }
  const ready = new PendingAck();
  ready.firstByte = firstByte;
  ready.packetId = packetId;
  ready.reasonCode = code;
  ready.reason = reason;
  acksOf(connection).add(ready);
}

/** Those of earlier messages go first, and what a store has of a refused one is forgotten first. */
function mayAnswerNow(
  { acks, session, core }: Connection,
  qos: number,
  packetId: number,
  code: number,
): boolean {
  if (core.journal === null) return true;
  if (acks !== null && !acks.isEmpty) return false;
  if (qos < 2 || code < ReasonCode.UnspecifiedError) return true;
  return !session!.receiver?.isTaken(packetId);
}

/** A message that is wrong in itself: QoS 0 has no answer but DISCONNECT. */
function refuse(connection: Connection, qos: number, packetId: number, code: number): void {
  const detail = 'payload is not the UTF-8 that its Payload Format Indicator says';
  if (qos === 0) closeConnection(connection, code, detail, {});
  else answer(connection, qos, packetId, code, detail);
}
