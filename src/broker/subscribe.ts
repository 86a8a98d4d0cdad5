/** SUBSCRIBE and UNSUBSCRIBE from a client: one reason code per filter, in their order. */
import { decodeSubscribe, decodeUnsubscribe } from '../protocol/control-decoder.js';
import { encodeSuback, encodeUnsuback } from '../protocol/control-encoder.js';
import type {
  SubscribePacket,
  SubscriptionRequest,
  UnsubscribePacket,
} from '../protocol/control-packets.js';
import { protocolError } from '../protocol/properties.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { isShared, isTopicFilter, parseSharedFilter, topicLevels } from '../protocol/topic.js';
import type { Connection } from './connection.js';
import { holdForAnswer } from './held-for-answer.js';
import { beginReplay, type ReplayStart, replayAsked, whyNoReplay } from './replays.js';
import type { RetainedRequest } from './retained-backlog.js';

const FAILED = 0x80;
/** The only failure that SUBACK of MQTT 3.x knows [MQTT-3.9.3-2]. */
const FAILURE_V3 = 0x80;
const SHARE_PREFIX = '$share/';
/** What two length bytes can say; a mount point may lead beyond. */
const FILTER_BYTES_MAX = 65_535;

/** @throws MqttError for a malformed packet */
export function handleSubscribe(
  connection: Connection,
  bytes: Buffer,
  packetStart: number,
  start: number,
  end: number,
): void {
  const packet = decodeSubscribe(bytes, packetStart, start, end, connection.isV5);
  for (const { filter, noLocal } of packet.subscriptions) {
    if (noLocal && isShared(filter)) {
      throw protocolError('No Local on a shared subscription [MQTT-3.8.3-4]');
    }
  }
  const replay = replayAsked(connection.core, packet);
  const answers = packet.subscriptions.map((request) => check(connection, request, replay));
  const proceed = (codes: number[] | null): void => {
    // A hook may have disconnected the client that it was asked about.
    if (connection.isClosed) return;
    const refusals = packet.subscriptions.map(() => ReasonCode.NotAuthorized);
    subscribe(connection, packet, codes ?? refusals, replay);
  };
  if (answers.every((answer) => typeof answer === 'number')) proceed(answers as number[]);
  else holdForAnswer(connection, Promise.all(answers), proceed);
}

/** The reason code for one filter: the granted QoS, or why not. */
function check(
  connection: Connection,
  request: SubscriptionRequest,
  replay: ReplayStart | string | null,
): number | Promise<number> {
  const { core, access, listener } = connection;
  const { filter } = request;
  const isValid = isShared(filter) ? parseSharedFilter(filter) !== null : isTopicFilter(filter);
  const mounted = mount(listener.mountPoint, filter);
  const isTooLong = Buffer.byteLength(mounted) > FILTER_BYTES_MAX;
  if (!isValid || isTooLong || topicLevels(filter) > core.limits.topicLevelsMax) {
    return ReasonCode.TopicFilterInvalid;
  }
  if (whyNoReplay(replay, filter) !== null) return ReasonCode.ImplementationSpecificError;
  const granted = Math.min(request.qos, listener.maxQos);
  if (!access.restrictsSubscribe) return granted;
  const isAllowed = access.maySubscribe(connection.identity!, mounted, granted);
  const code = (allowed: boolean): number => (allowed ? granted : ReasonCode.NotAuthorized);
  return typeof isAllowed === 'boolean' ? code(isAllowed) : isAllowed.then(code);
}

function subscribe(
  connection: Connection,
  packet: SubscribePacket,
  codes: number[],
  replay: ReplayStart | string | null,
): void {
  const { core, listener } = connection;
  const session = connection.session!;
  const max = core.limits.subscriptionsPerClientMax;
  const retained: (RetainedRequest | null)[] = [];
  const replays: ((() => void) | null)[] = [];
  const answered = packet.subscriptions.map((request, index) => {
    const granted = codes[index]!;
    if (granted >= FAILED) return granted;
    const filter = mount(listener.mountPoint, request.filter);
    const isNew = !session.subscriptions?.has(filter);
    if (isNew && core.isMemoryTight) return ReasonCode.QuotaExceeded;
    if (max > 0 && isNew && (session.subscriptions?.size ?? 0) >= max) {
      return ReasonCode.QuotaExceeded;
    }
    if (replay !== null && core.replays?.isFull) return ReasonCode.QuotaExceeded;
    const options = connection.bridged(request);
    const { subscriptionIdentifier } = packet;
    retained.push(
      core.subscriptions.add(session, filter, options, granted, subscriptionIdentifier),
    );
    replays.push(beginReplay(core, session, filter, replay));
    core.observer.subscribed(connection.identity!, filter, granted);
    logSubscribe(connection, 'subscribe', filter);
    return granted;
  });
  const refused = answered.filter((code) => code >= FAILED).length;
  const invalid = answered.filter((code) => code === ReasonCode.TopicFilterInvalid).length;
  core.metrics.topicsRefused += invalid;
  core.metrics.subscriptionsRefused += refused - invalid;
  const { isV5, maximumPacketSize } = connection;
  const sent = isV5 ? answered : answered.map((code) => (code >= FAILED ? FAILURE_V3 : code));
  const reason = refused > 0 && connection.wantsReasons ? reasonOf(packet, replay) : null;
  const suback = encodeSuback(packet.packetId, sent, isV5, reason, maximumPacketSize);
  const { peers } = core;
  const whenKnown = peers === null ? callNow : (then: () => void) => peers.whenKnown(then);
  answerWhenSafe(connection, whenKnown, () => {
    connection.sendControl(suback);
    for (const request of retained) {
      // The client may have unsubscribed while the store was asked.
      if (request === null || !session.subscriptions?.has(request.subscription.filter)) continue;
      core.subscriptions.sendRetained(session, request);
    }
    for (const send of replays) send?.();
  });
}

/** Why a filter was refused, for people. */
function reasonOf(packet: SubscribePacket, replay: ReplayStart | string | null): string {
  for (const { filter } of packet.subscriptions) {
    const why = whyNoReplay(replay, filter);
    if (why !== null) return why;
  }
  return 'some filters were refused';
}

/**
 * SUBACK and UNSUBACK of a durable session say what a restart will not undo; SUBACK also says that
 * no broker misses the subscription (promise P4).
 *
 * @param whenKnown calls its argument when all brokers know
 */
function answerWhenSafe(
  connection: Connection,
  whenKnown: (then: () => void) => void,
  send: () => void,
): void {
  const { stored } = connection.session!;
  const sendIfOpen = (): void => {
    if (!connection.isClosed) send();
  };
  if (stored === null) {
    whenKnown(sendIfOpen);
    return;
  }
  stored.whenSafe(() => whenKnown(sendIfOpen));
  stored.press(connection);
}

function callNow(then: () => void): void {
  then();
}

/** @throws MqttError for a malformed packet */
export function handleUnsubscribe(
  connection: Connection,
  bytes: Buffer,
  packetStart: number,
  start: number,
  end: number,
): void {
  const { core, listener, isV5, maximumPacketSize } = connection;
  const packet: UnsubscribePacket = decodeUnsubscribe(bytes, packetStart, start, end, isV5);
  const session = connection.session!;
  const codes = packet.filters.map((wanted) => {
    const filter = mount(listener.mountPoint, wanted);
    if (!core.subscriptions.remove(session, filter)) return ReasonCode.NoSubscriptionExisted;
    core.observer.unsubscribed(connection.identity!, filter);
    logSubscribe(connection, 'unsubscribe', filter);
    return ReasonCode.Success;
  });
  const unsuback = encodeUnsuback(packet.packetId, codes, isV5, maximumPacketSize);
  answerWhenSafe(connection, callNow, () => connection.sendControl(unsuback));
}

/** Puts the mount point before a filter, behind the share name where there is one. */
function mount(mountPoint: string, filter: string): string {
  if (mountPoint === '') return filter;
  const shared = isShared(filter) ? parseSharedFilter(filter) : null;
  if (shared === null) return mountPoint + filter;
  return `${SHARE_PREFIX}${shared.shareName}/${mountPoint}${shared.filter}`;
}

function logSubscribe(
  connection: Connection,
  level: 'subscribe' | 'unsubscribe',
  filter: string,
): void {
  const { log } = connection.core;
  if (!log.enabled(level)) return;
  log.write(level, level, { clientId: connection.identity!.clientId, filter });
}
