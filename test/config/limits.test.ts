import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultLimits, type LimitDefinition, limitDefinitions } from '../../src/config/limits.js';

const test = suite('limits');

type Definitions = Readonly<Record<string, LimitDefinition>>;

test('docs/limits.md is what scripts/limits-doc.mjs makes of the definitions', async () => {
  const script = (await import(pathToFileURL(resolve('scripts/limits-doc.mjs')).href)) as {
    limitsMarkdown(definitions: Definitions): string;
  };

  const expected = script.limitsMarkdown(limitDefinitions);

  assert.fixture(readFileSync(resolve('docs/limits.md'), 'utf8'), expected);
  for (const { key } of Object.values(limitDefinitions)) assert.match(expected, `| \`${key}\` |`);
});

test('every default lies in its range, every key is used once', () => {
  const all: LimitDefinition[] = Object.values(limitDefinitions);
  for (const { key, default: value, min, max } of all) {
    assert.ok(min <= value && value <= max, key);
    assert.match(key, /^[a-z_]+$/);
  }
  assert.is(new Set(all.map((one) => one.key)).size, all.length);
});

test('defaultLimits takes overrides and is frozen', () => {
  const limits = defaultLimits({ topicLevelsMax: 7 });

  assert.is(limits.topicLevelsMax, 7);
  assert.is(limits.queuedMessagesMax, 1000);
  assert.ok(Object.isFrozen(limits));
});

test.run();
