import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LoadError } from '../../../bench/load/load-error.js';
import { parseLoadOptions } from '../../../bench/load/options.js';

const test = suite('load generator options');

test('the processes of a store are told apart from those of the broker', () => {
  const options = parseLoadOptions(['-k', '7', '-K', '8,9']);
  assert.equal(options.brokerPids, [7]);
  assert.equal(options.storePids, [8, 9]);
  assert.equal(parseLoadOptions([]).storePids, []);
});

test('clients may be spread over several brokers, subscribers over others', () => {
  const portsOf = (args: readonly string[]) => {
    const { ports, subscriberPorts } = parseLoadOptions(args);
    return [ports, subscriberPorts];
  };
  assert.equal(portsOf([]), [[1883], [1883]]);
  assert.equal(portsOf(['-p', '1,2']), [
    [1, 2],
    [1, 2],
  ]);
  assert.equal(portsOf(['-p', '1,2', '-o', '2,1']), [
    [1, 2],
    [2, 1],
  ]);
});

test('-a times PUBACKs, -B queues messages for durable subscribers', () => {
  assert.is(parseLoadOptions(['-q', '1', '-a']).measuresAcks, true);
  assert.is(parseLoadOptions(['-q', '1']).measuresAcks, false);
  assert.is(parseLoadOptions(['-q', '1', '-c', '-B', '1000']).backlog, 1000);
  assert.is(parseLoadOptions([]).backlog, 0);
});

test('options that make no sense together are refused', () => {
  const refused = (args: readonly string[], detail: RegExp) => {
    assert.throws(
      () => parseLoadOptions(args),
      (error: unknown) => error instanceof LoadError && error.isUsage && detail.test(error.message),
    );
  };
  refused(['-a'], /-a needs -q 1/);
  refused(['-q', '2', '-a'], /-a needs -q 1/);
  refused(['-q', '1', '-B', '10'], /-B needs -q 1 and -c/);
  refused(['-c', '-B', '10'], /-B needs -q 1 and -c/);
  refused(['-K', 'redis'], /-K redis: not a process id/);
  refused(['-p', '0'], /-p 0: not a port/);
  refused(['-o', '1,65536'], /-o 65536: not a port/);
  refused(['-p', ','], /-p needs at least one port/);
});

test.run();
