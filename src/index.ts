/** The public library API. */
export type { AccessHooks } from './access/hook-access.js';
export { BrokerError } from './base/errors.js';
export type { Log, LogFields, LogLevel } from './base/log.js';
export type {
  AuthenticationExchange,
  AuthenticationResult,
  AuthenticationStep,
  ClientIdentity,
} from './broker/access.js';
export type { Metrics } from './broker/metrics.js';
export type {
  AccessConfig,
  DeliveryConfig,
  ListenerConfig,
  TlsConfig,
} from './config/config.js';
export { defaultTls } from './config/defaults.js';
export type { Limits } from './config/limits.js';
export type {
  DiskStoreOptions,
  MemoryStoreOptions,
  RedisStoreOptions,
  RedisTlsOptions,
  StoreOptions,
} from './config/store-options.js';
export {
  Broker,
  type BrokerEvents,
  type BrokerOptions,
  createBroker,
  type PublishOptions,
} from './library.js';
export type { UserProperty } from './protocol/control-packets.js';
export type { MessageProperties } from './protocol/message-properties.js';
export { MqttError } from './protocol/mqtt-error.js';
export { ReasonCode } from './protocol/reason-codes.js';
export type { ReceivedMessage } from './received-message.js';
export type { MessageHandler } from './subscriber.js';
