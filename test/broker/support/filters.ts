/** Topic names and filters that meet often: few levels, few words, everything odd among them. */
import fc from 'fast-check';

const words = ['a', 'b', 'aa', '', '$s', '$', ' ', 'ä', '$share'];

const level = fc.constantFrom(...words);

export const topicName: fc.Arbitrary<string> = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((name) => name !== '');

const filterLevel = fc.oneof(
  { weight: 2, arbitrary: level },
  { weight: 1, arbitrary: fc.constant('+') },
);

/** A well-formed filter, not of a shared subscription. */
export const topicFilter: fc.Arbitrary<string> = fc
  .tuple(fc.array(filterLevel, { maxLength: 5 }), fc.boolean())
  .map(([levels, isHash]) => [...levels, ...(isHash ? ['#'] : [])].join('/'))
  .filter((filter) => filter !== '' && !filter.startsWith('$share/'));
