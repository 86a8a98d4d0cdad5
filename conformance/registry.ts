/** The tests that exist, and which statements each one claims. */
import type { ProfileName } from './brokers/profiles.js';
import type { TestContext } from './context.js';
import type { Version } from './raw/build.js';
import type { PacketType } from './raw/packet.js';
import type { Rule } from './raw/rules.js';

export const versionLabels = ['3.1', '3.1.1', '5.0'] as const;
export type VersionLabel = (typeof versionLabels)[number];
export const versionOf: Readonly<Record<VersionLabel, Version>> = {
  '3.1': 3,
  '3.1.1': 4,
  '5.0': 5,
};

/** The versions that a test runs in, each with the statements that it shows there. */
export type Claims = { readonly [Label in VersionLabel]?: readonly string[] };

export interface TestOptions {
  readonly profile?: ProfileName;
  /** Whole seconds of real time make some tests slow: they start first. */
  readonly isSlow?: boolean;
}

export interface TestCase {
  /** `5.0 answers PINGREQ with PINGRESP`; unique. */
  readonly name: string;
  readonly label: VersionLabel;
  readonly statements: readonly string[];
  readonly profile: ProfileName;
  readonly isSlow: boolean;
  readonly body: (t: TestContext) => Promise<void>;
}

/** A rule about every packet of a run, judged when all tests are over. */
export interface Invariant {
  readonly name: string;
  readonly label: VersionLabel;
  readonly statements: readonly string[];
  readonly rules: readonly Rule[];
  /** Packet types without which a whole run has shown nothing. */
  readonly needs: readonly PacketType[];
}

export const testCases: TestCase[] = [];
export const invariants: Invariant[] = [];

/** Declares a test; it runs once in each version that `claims` names. */
export function test(
  claims: Claims,
  sentence: string,
  body: (t: TestContext) => Promise<void>,
  options: TestOptions = {},
): void {
  for (const label of labelsOf(claims)) {
    testCases.push({
      name: uniqueName(`${label} ${sentence}`),
      label,
      statements: claims[label] ?? [],
      profile: options.profile ?? 'default',
      isSlow: options.isSlow ?? false,
      body,
    });
  }
}

/** Declares that no packet of the whole run broke these rules. */
export function invariant(
  claims: Claims,
  sentence: string,
  rules: readonly Rule[],
  needs: readonly PacketType[],
): void {
  for (const label of labelsOf(claims)) {
    const name = uniqueName(`${label} ${sentence}`);
    invariants.push({ name, label, statements: claims[label] ?? [], rules, needs });
  }
}

const names = new Set<string>();

function uniqueName(name: string): string {
  if (names.has(name)) throw new Error(`two tests are called "${name}"`);
  names.add(name);
  return name;
}

function labelsOf(claims: Claims): VersionLabel[] {
  return versionLabels.filter((label) => claims[label] !== undefined);
}
