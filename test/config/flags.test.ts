import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../src/base/errors.js';
import { parseFlags, usage } from '../../src/config/flags.js';
import { brokerError } from './support.js';

const test = suite('command line');

const plain = { configFile: null, ports: [], isVerbose: false, isQuiet: false };
const errorOf = (...args: string[]) => brokerError('USAGE', () => parseFlags(args));

test('no flags run the broker without a file', () => {
  assert.equal(parseFlags([]), { command: 'run', options: plain });
});

test('short and long flags mean the same', () => {
  const expected = {
    command: 'run',
    options: { configFile: 'a b.conf', ports: [1884, 0], isVerbose: true, isQuiet: false },
  };

  assert.equal(parseFlags(['-c', 'a b.conf', '-p', '1884', '-p', '0', '-v']), expected);
  assert.equal(
    parseFlags(['--verbose', '--port', '1884', '--config', 'a b.conf', '--port=0']),
    expected,
  );
  assert.equal(
    parseFlags(['--config-file=a b.conf', '-p', '1884', '-p', '0', '-v', '-v']),
    expected,
  );
});

test('--config-test, and Mosquitto’s --test-config, keep the other flags', () => {
  const options = { ...plain, configFile: 'f', isQuiet: true };

  assert.equal(parseFlags(['--config-test', '-c', 'f', '-q']), { command: 'config-test', options });
  assert.equal(parseFlags(['-c', 'f', '--quiet', '--test-config']).command, 'config-test');
});

test('--version and --help come before all that follows', () => {
  assert.equal(parseFlags(['--version', '--nonsense']), { command: 'version' });
  assert.equal(parseFlags(['-h']), { command: 'help' });
  assert.equal(parseFlags(['-v', '--help']), { command: 'help' });
});

test('redis-check takes everything behind it', () => {
  assert.equal(parseFlags(['redis-check', '-c', 'file', '--json']), {
    command: 'redis-check',
    args: ['-c', 'file', '--json'],
  });
});

test('history takes everything behind it', () => {
  const args = ['--last', '5', 'sensors/#'];
  assert.equal(parseFlags(['history', ...args]), { command: 'history', args });
});

test('passwd takes everything behind it', () => {
  assert.equal(parseFlags(['passwd', '-c', 'file', '--help']), {
    command: 'passwd',
    args: ['-c', 'file', '--help'],
  });
  assert.match(errorOf('-v', 'passwd'), 'unknown option passwd');
});

test('-d is refused with the reason', () => {
  for (const flag of ['-d', '--daemon']) {
    assert.match(errorOf('-c', 'f', flag), `${flag}: running in the background is left to systemd`);
  }
});

test('--tls-keylog is refused with what does the same', () => {
  assert.match(errorOf('--tls-keylog', 'f'), 'NODE_OPTIONS=--tls-keylog=FILE');
});

test('an unknown option is an error with the nearest one', () => {
  assert.is(
    errorOf('--prot', '1'),
    'unknown option --prot (did you mean "--port"?): see tidewire --help',
  );
  assert.is(errorOf('-x'), 'unknown option -x: see tidewire --help');
  assert.match(errorOf('broker.conf'), 'unknown option broker.conf');
  assert.match(errorOf('a\nb'), 'unknown option a b');
  assert.match(errorOf('--verbose=yes'), 'unknown option --verbose=yes');
});

test('missing and bad values are errors', () => {
  assert.is(errorOf('-c'), '-c needs the path of a file');
  assert.is(errorOf('--config='), '-c needs the path of a file');
  assert.is(errorOf('-v', '-p'), '-p needs a port');
  for (const port of ['65536', '-1', '1e3', 'mqtt', '0x10', '18 83']) {
    assert.is(errorOf('-p', port), `-p ${port}: a port is a number from 0 to 65535`);
  }
  assert.match(errorOf('-c', 'a', '-c', 'b'), '-c was given twice');
  const many = Array.from({ length: 11 }, (_, i) => ['-p', String(1000 + i)]).flat();
  assert.is(errorOf(...many), '-p can be given at most 10 times');
});

test('the help names every flag and fits a terminal', () => {
  for (const flag of [
    '-c',
    '-p',
    '-v',
    '-q',
    '--config-test',
    '--version',
    '-h',
    'passwd',
    'redis-check',
  ]) {
    assert.match(usage, flag);
  }
  for (const line of usage.split('\n')) assert.ok(line.length <= 100, line);
});

test('no arguments make the parser throw anything but a BrokerError', async () => {
  const arg = fc.oneof(
    fc.string(),
    fc.constantFrom('-c', '-p', '-v', '-d', '--config-test', '1883', '--port=1', 'constructor'),
  );
  await fc.assert(
    fc.property(fc.array(arg), (args) => {
      try {
        parseFlags(args);
      } catch (error) {
        assert.instance(error, BrokerError);
      }
    }),
  );
});

test.run();
