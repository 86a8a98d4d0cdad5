/**
 * How the executable wants its JavaScript engine: V8's defaults are made for programs that do many
 * things, a broker does one thing a million times a second. Measured in ADR 0009. A program that
 * embeds the broker decides for itself.
 */
import { setFlagsFromString } from 'node:v8';

/** All of them exist in Node 20, 22 and 24. */
export const engineFlags: readonly string[] = [
  // The way of a message through the broker becomes one piece of machine code.
  '--max-inlined-bytecode-size=2000',
  '--max-inlined-bytecode-size-cumulative=6000',
  // What dies young here is little: threads to collect it cost more than they save.
  '--no-parallel-scavenge',
];

/** To be called before the first message. */
export function tuneEngine(): void {
  for (const flag of engineFlags) setFlagsFromString(flag);
}
