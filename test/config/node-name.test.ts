import { hostname } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultListener } from '../../src/config/defaults.js';
import { defaultNodeName, thisProcess } from '../../src/config/node-name.js';

const test = suite('default of node_name');

const gateway = { hostName: 'gateway', pid: 42 };
const nameOf = (overrides: Parameters<typeof defaultListener>[0]) =>
  defaultNodeName(defaultListener(overrides), gateway);

test('is the host and the listener, so that brokers on one host differ', () => {
  assert.is(nameOf({ port: 1883 }), 'gateway:1883');
  assert.is(nameOf({ port: 1884 }), 'gateway:1884');
  assert.is(nameOf({ port: 1883, host: '127.0.0.1' }), 'gateway/127.0.0.1:1883');
  assert.is(nameOf({ port: 1883, host: '::1' }), 'gateway/[::1]:1883');
  assert.is(nameOf({ port: 0, socketPath: '/run/mqtt.sock' }), 'gateway//run/mqtt.sock');
});

test('at any free port, it is the process as well', () => {
  assert.is(nameOf({ port: 0, host: '127.0.0.1' }), 'gateway/127.0.0.1:0/42');
});

test('comes from this machine and this process', () => {
  assert.equal(thisProcess(), { hostName: hostname(), pid: process.pid });
});

test.run();
