/** Each rule of the tidy test finds its violation, and only that, in a small bad project. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as imports from './imports.js';
import * as language from './language.js';
import type { Rule } from './rule.js';
import * as shape from './shape.js';
import { parseSources } from './sources.js';
import * as tests from './tests.js';

const test = suite('tidy rules');

function check(rule: Rule, files: Readonly<Record<string, string>>): string[] {
  return rule(parseSources(files)).sort();
}

test('finds a file that is too long', () => {
  const [short, long] = [400, 401].map((count) => 'x;\n'.repeat(count));

  assert.equal(check(shape.filesAreShort, { 'src/a.ts': short, 'src/b.ts': long }), [
    'src/b.ts:401 has 401 lines',
  ]);
});

test('finds a line that is too wide, in characters', () => {
  const [fits, wide] = [100, 101].map((count) => `//${'→'.repeat(count - 2)}`);

  assert.equal(check(shape.linesAreShort, { 'src/a.ts': `${fits}\n${wide}\n` }), [
    'src/a.ts:2 has 101 columns',
  ]);
});

test('finds a function that is too long, whatever its form', () => {
  const fits = '\n'.repeat(59);
  const long = '\n'.repeat(60);

  const found = check(shape.functionsAreShort, {
    'src/a.ts': `export function a() {${fits}}\nexport const b = () => {${fits}};\n`,
    'src/b.ts': `// Why.\n/** What. */\nexport function a() {${long}}\n`,
    'src/c.ts': `export const c = () => {${long}};\n`,
    'src/d.ts': `export class D {\n  d(): void {${long}}\n  get e() {${long}}\n}\n`,
    'test/e.ts': `export function contract() {\n  test('x', () => {${fits}});${fits}}\n`,
    'test/f.ts': `export function contract() {\n  test('x', () => {${long}});${long}}\n`,
  });

  const what = 'a function of 61 lines';
  assert.equal(found, [
    `src/b.ts:3 ${what}`,
    `src/c.ts:1 ${what}`,
    `src/d.ts:2 ${what}`,
    `src/d.ts:63 ${what}`,
    `test/f.ts:1 ${what}`,
    `test/f.ts:2 ${what}`,
  ]);
});

test('finds file names that are not kebab-case', () => {
  const files = { 'src/a-b.ts': '', 'test/a2.test.ts': '', 'src/aB.ts': '', 'src/a_b.ts': '' };

  assert.equal(check(shape.fileNamesAreKebabCase, files), [
    'src/aB.ts:1 is not kebab-case',
    'src/a_b.ts:1 is not kebab-case',
  ]);
});

test('finds a file without a header', () => {
  const files = {
    'src/a.ts': '/** Why. */\n',
    'src/b.ts': '#!/usr/bin/env node\n/** Why. */\n',
    'src/c.ts': 'export const c = 1;\n',
    'test/c.test.ts': 'export const c = 1;\n',
  };

  assert.equal(check(shape.filesHaveHeaders, files), ['src/c.ts:1 does not begin with a comment']);
});

test('finds open work without an issue', () => {
  const mark = ['TO', 'DO'].join('');
  const text = `// ${mark}(#12): later\nf('${mark}');\n// ${mark}: later\n * ${mark}\n`;

  assert.equal(check(shape.openWorkNamesItsIssue, { 'src/a.ts': text }), [
    'src/a.ts:3 names no issue',
    'src/a.ts:4 names no issue',
  ]);
});

test('finds imports that point right, or at a neighbour', () => {
  const found = check(imports.importsPointLeft, {
    'src/base/a.ts': `import { b } from '../config/b.js';\nimport '../base/b.js';\n`,
    'src/config/b.ts': `import '../base/a.js';\n`,
    'src/broker/c.ts': `import '../store/port.js';\nimport '../store/redis/d.js';\n`,
    'src/store/redis/d.ts': `import '../port.js';\nimport '../../broker/c.js';\n`,
    'src/listen/e.ts': `\nexport type { F } from '../access/f.js';\n`,
    'src/ops/f.ts': `type G = import('../broker.js').G;\nawait import('../cluster/h.js');\n`,
    'src/other/g.ts': `import '../base/a.js';\n`,
    'src/broker.ts': `import './listen/e.js';\nimport '../test/a.js';\n`,
    'test/h.ts': `import '../src/broker.js';\n`,
  });

  assert.equal(found, [
    'src/base/a.ts:1 src/base must not import src/config/b.ts',
    'src/broker.ts:2 src must not import test/a.ts',
    'src/broker/c.ts:2 src/broker must not import src/store/redis/d.ts',
    'src/listen/e.ts:2 src/listen must not import src/access/f.ts',
    'src/ops/f.ts:1 src/ops must not import src/broker.ts',
    'src/ops/f.ts:2 src/ops must not import src/cluster/h.ts',
    'src/other/g.ts:1 a folder without a layer must not import src/base/a.ts',
  ]);
});

test('finds packages away from home', () => {
  const found = check(imports.packagesStayHome, {
    'src/listen/a.ts': `import { WebSocketServer } from 'ws';\nimport 'node:net';\n`,
    'src/broker/b.ts': `import type { Packet } from 'mqtt-packet';\nimport '@scope/thing/part';\n`,
    'test/c.ts': `import 'mqtt-packet';\n`,
  });

  assert.equal(found, [
    'src/broker/b.ts:1 mqtt-packet belongs to src/protocol',
    'src/broker/b.ts:2 @scope/thing belongs to no folder of src',
  ]);
});

test('finds an import cycle once, unless types alone make it', () => {
  const found = check(imports.noImportCycles, {
    'src/a.ts': `import './b.js';\nimport './c.js';\n`,
    'src/b.ts': `import './c.js';\nimport { type D } from './d.js';\n`,
    'src/c.ts': `export { b } from './b.js';\n`,
    'src/d.ts': `import type { B } from './b.js';\nexport type { A } from './a.js';\n`,
  });

  assert.equal(found, ['src/b.ts:1 import cycle: src/b.ts → src/c.ts → src/b.ts']);
});

test('finds a barrel file', () => {
  const text = `export { a } from './a.js';\nexport * from './b.js';\n`;
  const files = { 'src/index.ts': text, 'src/x.ts': text, 'src/y.ts': `${text}const y = 1;\n` };

  assert.equal(check(imports.noBarrels, files), [
    'src/x.ts:1 is a barrel file: import from where things are',
  ]);
});

test('finds parts of the language that we do without', () => {
  const files = {
    'src/a.ts': `const enum A { B }\nexport default class {}\nlet c: any[];\n`,
    'src/b.ts': `const b = 1;\nexport default b;\n`,
    'src/c.ts': `try {} catch { /* why */ }\ntry {} catch (e) { f(e); }\nswitch (1) { default: }\n`,
  };

  assert.equal(check(language.noEnums, files), ['src/a.ts:1 an enum: use an `as const` object']);
  assert.equal(check(language.noDefaultExports, files), [
    'src/a.ts:2 a default export',
    'src/b.ts:2 a default export',
  ]);
  assert.equal(check(language.noAny, files), ['src/a.ts:3 `any`: use `unknown` or the real type']);
  assert.equal(check(language.noEmptyCatches, files), ['src/c.ts:1 an empty catch']);
});

test('finds console, hidden clocks and hidden randomness', () => {
  const text = `console.log(1);\nDate.now();\nMath.random();\nnew Date();\nnew Date(1);\n`;
  const files = {
    'src/broker.ts': 'console.log(1);\n',
    'src/access/passwd-command.ts': 'console.log(1);\n',
    'src/base/clock.ts': 'Date.now();\n',
    'src/ops/a.ts': text,
  };

  assert.equal(check(language.noConsole, files), ['src/ops/a.ts:1 `console`: use the log port']);
  assert.equal(check(language.noHiddenInputs, files), [
    'src/ops/a.ts:2 `Date.now()`: take a Clock',
    'src/ops/a.ts:3 `Math.random()`: take a Prng',
    'src/ops/a.ts:4 `new Date()` without a time: take a Clock',
  ]);
});

test('finds a suite that is never run', () => {
  const found = check(tests.suitesAreRun, {
    'test/a.test.ts': `const a = suite('a');\nconst b = suite('b');\na.run();\n`,
    'test/b.test.ts': `import { test } from 'uvu';\ntest('x', () => {});\n`,
    'test/c.test.ts': `import { test } from 'uvu';\ntest.run();\n`,
  });

  assert.equal(found, [
    'test/a.test.ts:2 b.run() is missing',
    'test/b.test.ts:1 test.run() is missing',
  ]);
});

test('finds a test that is singled out', () => {
  const text = `const t = suite('a');\nfc.only();\nt.only('x', () => {});\n`;

  assert.equal(check(tests.nothingIsSingledOut, { 'test/a.test.ts': text }), [
    'test/a.test.ts:3 t.only: the other tests do not run',
  ]);
});

test('finds sleeps, but not deadlines', () => {
  const pause = `import { setTimeout as pause } from 'node:timers/promises';\n`;
  const found = check(tests.noSleeps, {
    'test/support/until.ts': pause,
    'test/a.ts': pause,
    'test/b.ts': `await new Promise((r) => setTimeout(r, 5));\n`,
    'test/c.ts': `await new Promise<void>((done) => {\n  setTimeout(() => done(), 5);\n});\n`,
    'test/d.ts': `await new Promise((_, reject) => setTimeout(() => reject(late), 5));\n`,
    'test/e.ts': `import { setImmediate } from 'node:timers/promises';\n`,
  });

  const what = 'a sleep: use until() or FakeClock';
  assert.equal(found, [`test/a.ts:1 ${what}`, `test/b.ts:1 ${what}`, `test/c.ts:1 ${what}`]);
});

test.run();
