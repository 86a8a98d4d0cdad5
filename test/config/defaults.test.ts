import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  defaultAccess,
  defaultConfig,
  defaultListener,
  defaultTls,
  listenerName,
} from '../../src/config/defaults.js';
import { parseConfig } from '../../src/config/mosquitto-conf.js';

const test = suite('defaults');

test('defaultConfig is what the parser makes of nothing', () => {
  const { config } = parseConfig({ file: null, hasIpv6Loopback: false });
  assert.equal(defaultConfig(), config);
});

test('overrides complete a part and name the listener', () => {
  const access = defaultAccess({ allowAnonymous: true });
  const listener = defaultListener({ port: 0, host: '::1', access });

  assert.is(listener.name, '[::1]:0');
  assert.is(listener.access.allowAnonymous, true);
  assert.is(defaultListener({ name: 'mine' }).name, 'mine');
  assert.is(defaultTls({ certFile: '/c' }).certFile, '/c');
  assert.equal(defaultConfig({ listeners: [listener] }).listeners, [listener]);
});

test('a listener by itself keeps anonymous out', () => {
  assert.is(defaultListener().access.allowAnonymous, false);
});

test('names tell apart whatever can be open at once', () => {
  const name = (overrides: Partial<Parameters<typeof listenerName>[0]>) =>
    listenerName({
      port: 1883,
      host: null,
      socketPath: null,
      bindInterface: null,
      socketDomain: null,
      ...overrides,
    });

  assert.is(name({}), '*:1883');
  assert.is(name({ socketDomain: 'ipv4' }), '0.0.0.0:1883');
  assert.is(name({ socketDomain: 'ipv6' }), '[::]:1883');
  assert.is(name({ host: 'broker.lan' }), 'broker.lan:1883');
  assert.is(name({ bindInterface: 'eth0', host: '10.0.0.1' }), 'eth0:1883');
  assert.is(name({ bindInterface: 'eth0', socketDomain: 'ipv6' }), 'eth0/ipv6:1883');
  assert.is(name({ socketPath: '/run/s' }), '/run/s');
});

test.run();
