/**
 * Rules about every packet that the broker sends. The strict parser checks them in every test;
 * here they are tied to statements, and judged over the whole run.
 */
import { invariant } from './registry.js';

invariant(
  { '3.1': [], '3.1.1': ['MQTT-2.2.2-1', 'MQTT-3.6.1-1'], '5.0': ['MQTT-2.1.3-1', 'MQTT-3.6.1-1'] },
  'every packet of the run has its reserved flags',
  ['flags', 'layout'],
  ['connack', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'pingresp'],
);

invariant(
  {
    '3.1.1': ['MQTT-1.5.3-1', 'MQTT-1.5.3-2', 'MQTT-4.7.3-2'],
    '5.0': ['MQTT-1.5.4-1', 'MQTT-1.5.4-2', 'MQTT-1.5.7-1', 'MQTT-4.7.3-2'],
  },
  'every string of the run is well-formed UTF-8 without U+0000',
  ['utf8'],
  ['publish'],
);

invariant(
  { '3.1.1': [], '5.0': ['MQTT-1.5.5-1'] },
  'every length of the run is encoded in as few bytes as it needs',
  ['varint'],
  ['publish'],
);

invariant(
  { '5.0': ['MQTT-2.2.2-1'] },
  'every packet of the run has a Property Length and only properties that it may have',
  ['properties'],
  ['connack', 'publish', 'suback', 'unsuback', 'disconnect'],
);

invariant(
  {
    '3.1': [],
    '3.1.1': ['MQTT-2.3.1-1', 'MQTT-2.3.1-4', 'MQTT-2.3.1-5', 'MQTT-4.3.2-1', 'MQTT-4.3.3-1'],
    '5.0': ['MQTT-2.2.1-2', 'MQTT-2.2.1-4', 'MQTT-4.3.2-1', 'MQTT-4.3.3-1'],
  },
  'every QoS 1 and 2 delivery of the run has an id that is not 0 and not in use',
  ['packet-id-zero', 'packet-id-in-use'],
  ['publish'],
);

invariant(
  {
    '3.1.1': ['MQTT-3.3.1-2', 'MQTT-3.3.1-4', 'MQTT-4.3.1-1'],
    '5.0': ['MQTT-3.3.1-2', 'MQTT-3.3.1-4', 'MQTT-4.3.1-1'],
  },
  'no delivery of the run has QoS 3, or DUP at QoS 0',
  ['qos-0-dup', 'qos-3'],
  ['publish'],
);

invariant(
  {
    '3.1.1': ['MQTT-3.3.2-1', 'MQTT-3.3.2-2', 'MQTT-4.7.1-1', 'MQTT-4.7.3-1'],
    '5.0': ['MQTT-3.3.2-1', 'MQTT-3.3.2-2', 'MQTT-3.3.2-14', 'MQTT-4.7.0-1', 'MQTT-4.7.3-1'],
  },
  'every delivery of the run has a topic name without wildcards',
  ['topic'],
  ['publish'],
);

invariant(
  { '3.1.1': ['MQTT-3.2.0-1'], '5.0': ['MQTT-3.2.0-1', 'MQTT-3.2.0-2'] },
  'every connection of the run begins with CONNACK and sees one only',
  ['connack-first', 'connack-once'],
  ['connack'],
);

invariant(
  { '3.1.1': ['MQTT-3.2.2-4'], '5.0': ['MQTT-3.2.2-1', 'MQTT-3.2.2-6'] },
  'every CONNACK of the run has reserved flags 0, and Session Present 0 in a refusal',
  ['connack-flags', 'connack-session'],
  ['connack'],
);

invariant(
  { '3.1.1': ['MQTT-3.2.2-6', 'MQTT-3.9.3-2'] },
  'every CONNACK and SUBACK of the run has a return code of its table',
  ['code-connack', 'code-suback'],
  ['connack', 'suback'],
);

invariant(
  {
    '5.0': [
      'MQTT-3.2.2-8',
      'MQTT-3.4.2-1',
      'MQTT-3.5.2-1',
      'MQTT-3.6.2-1',
      'MQTT-3.7.2-1',
      'MQTT-3.9.3-2',
      'MQTT-3.11.3-2',
      'MQTT-3.14.2-1',
    ],
  },
  'every reason code of the run is one that its packet may have',
  [
    'code-connack',
    'code-puback',
    'code-pubrec',
    'code-pubrel',
    'code-pubcomp',
    'code-suback',
    'code-unsuback',
    'code-disconnect',
  ],
  ['connack', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'disconnect'],
);

invariant(
  { '5.0': ['MQTT-3.15.2-1', 'MQTT-4.12.0-5'] },
  'every AUTH of the run has a reason code of a server and the method of its CONNECT',
  ['code-auth', 'auth-method'],
  [],
);

invariant(
  { '5.0': ['MQTT-3.1.2-26', 'MQTT-3.1.2-27', 'MQTT-3.3.2-8', 'MQTT-3.3.2-11'] },
  'no delivery of the run has a Topic Alias that the client did not allow',
  ['topic-alias'],
  ['publish'],
);

invariant(
  { '5.0': ['MQTT-3.1.2-28'] },
  'no CONNACK of the run has Response Information that was not asked for',
  ['response-information'],
  ['connack'],
);

invariant(
  { '5.0': ['MQTT-3.1.2-29'] },
  'no packet of the run has problem information that the client declined',
  ['problem-information'],
  ['puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback'],
);

invariant(
  {
    '5.0': [
      'MQTT-3.1.2-24',
      'MQTT-3.2.2-19',
      'MQTT-3.2.2-20',
      'MQTT-3.4.2-2',
      'MQTT-3.4.2-3',
      'MQTT-3.5.2-2',
      'MQTT-3.5.2-3',
      'MQTT-3.6.2-2',
      'MQTT-3.6.2-3',
      'MQTT-3.7.2-2',
      'MQTT-3.7.2-3',
      'MQTT-3.9.2-1',
      'MQTT-3.9.2-2',
      'MQTT-3.11.2-1',
      'MQTT-3.11.2-2',
      'MQTT-3.14.2-3',
      'MQTT-3.14.2-4',
    ],
  },
  'no packet of the run is larger than its receiver allows',
  ['packet-size'],
  ['connack', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'disconnect'],
);

invariant(
  { '5.0': ['MQTT-3.3.4-9', 'MQTT-4.9.0-1', 'MQTT-4.9.0-2'] },
  'no client of the run gets more messages at once than its Receive Maximum',
  ['receive-maximum'],
  ['publish'],
);

invariant(
  { '3.1.1': [], '5.0': ['MQTT-3.14.0-1', 'MQTT-3.14.2-2'] },
  'no DISCONNECT of the run comes before CONNACK or with a Session Expiry Interval',
  ['disconnect-early', 'disconnect-session-expiry'],
  [],
);

invariant(
  { '5.0': ['MQTT-3.14.4-1'] },
  'nothing follows a DISCONNECT of the run',
  ['after-disconnect'],
  ['disconnect'],
);

invariant(
  { '5.0': ['MQTT-4.12.0-6'] },
  'no client of the run that did not ask for enhanced authentication gets any',
  ['auth-unasked'],
  ['connack'],
);
