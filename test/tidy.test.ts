/**
 * The style guide's rules that a machine can check, on every file of the project. The rules are in
 * test/support/tidy, and test/support/tidy/rules.test.ts shows that each one finds what it should.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { projectRoot } from './support/root.js';
import * as imports from './support/tidy/imports.js';
import * as language from './support/tidy/language.js';
import * as shape from './support/tidy/shape.js';
import { readSources, readTexts } from './support/tidy/sources.js';
import * as tests from './support/tidy/tests.js';

const sources = readSources(projectRoot);
const inSrc = shape.below(sources, 'src');
const inTest = shape.below(sources, 'test');
const texts = [...sources, ...readTexts(projectRoot, 'scripts', '.mjs')];

const test = suite('tidy');

test('the rules see the project', () => {
  assert.ok(inSrc.length > 0 && inTest.length > 0 && texts.length > sources.length);
});

test('no file is longer than 400 lines', () => none(shape.filesAreShort(texts)));
test('no line is wider than 100 columns', () => none(shape.linesAreShort(texts)));
test('no function is longer than 60 lines', () => none(shape.functionsAreShort(sources)));
test('file names are kebab-case', () => none(shape.fileNamesAreKebabCase(texts)));
test('every file but a test begins with a comment', () => none(shape.filesHaveHeaders(texts)));
test('open work names its issue', () => none(shape.openWorkNamesItsIssue(texts)));

test('imports in src point left', () => none(imports.importsPointLeft(sources)));
test('packages stay in their homes', () => none(imports.packagesStayHome(sources)));
test('src has no import cycles', () => none(imports.noImportCycles(sources)));
test('there are no barrel files', () => none(imports.noBarrels(sources)));

test('there are no enums', () => none(language.noEnums(sources)));
test('there are no default exports', () => none(language.noDefaultExports(sources)));
test('there is no any', () => none(language.noAny(sources)));
test('no catch is empty', () => none(language.noEmptyCatches(sources)));
test('src does not use console', () => none(language.noConsole(inSrc)));
test('src reads no hidden clock or randomness', () => none(language.noHiddenInputs(inSrc)));

test('every suite is run', () => none(tests.suitesAreRun(inTest)));
test('no test is singled out', () => none(tests.nothingIsSingledOut(inTest)));
test('no test sleeps', () => none(tests.noSleeps(inTest)));

/** Fails with one line per violation and, since the place is in it, without a stack. */
function none(violations: readonly string[]): void {
  if (violations.length === 0) return;
  const error = new Error(violations.join('\n    '));
  error.stack = '';
  throw error;
}

test.run();
