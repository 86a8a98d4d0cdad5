import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReasonCode, ReturnCode, toReturnCode } from '../../src/protocol/reason-codes.js';

const test = suite('reason codes');

/** Table 2-6 of MQTT 5.0, without the names that share a number with another packet's. */
const table = [
  0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x18, 0x19, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
  0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
  0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
];

test('every code of the standard’s table is there, each once', () => {
  assert.equal(
    Object.values(ReasonCode).sort((a, b) => a - b),
    table,
  );
});

test('a 3.1.1 client is told what its table has, else nothing [MQTT-3.2.2-6]', () => {
  const told = new Map<number, number>([
    [ReasonCode.Success, ReturnCode.Accepted],
    [ReasonCode.UnsupportedProtocolVersion, ReturnCode.UnacceptableProtocolVersion],
    [ReasonCode.ClientIdentifierNotValid, ReturnCode.IdentifierRejected],
    [ReasonCode.ServerUnavailable, ReturnCode.ServerUnavailable],
    [ReasonCode.ServerBusy, ReturnCode.ServerUnavailable],
    [ReasonCode.ServerShuttingDown, ReturnCode.ServerUnavailable],
    [ReasonCode.QuotaExceeded, ReturnCode.ServerUnavailable],
    [ReasonCode.UseAnotherServer, ReturnCode.ServerUnavailable],
    [ReasonCode.ServerMoved, ReturnCode.ServerUnavailable],
    [ReasonCode.ConnectionRateExceeded, ReturnCode.ServerUnavailable],
    [ReasonCode.BadUserNameOrPassword, ReturnCode.BadUserNameOrPassword],
    [ReasonCode.NotAuthorized, ReturnCode.NotAuthorized],
    [ReasonCode.Banned, ReturnCode.NotAuthorized],
    [ReasonCode.BadAuthenticationMethod, ReturnCode.NotAuthorized],
  ]);
  for (let code = 0; code < 256; code++) assert.is(toReturnCode(code), told.get(code) ?? -1);
});

test('return codes are those of table 3.1', () => {
  assert.equal(Object.values(ReturnCode), [0, 1, 2, 3, 4, 5]);
});

test.run();
