/** Random commands for the model test. Few clients and small numbers, so that things meet. */
import * as fc from 'fast-check';
import type {
  ClaimRequest,
  Disconnect,
  HeldId,
  QueueLimits,
  StoredSubscription,
} from '../../../src/store/store.js';

/** Numbers of messages are given as a distance back from the end of the queue. */
export interface WriteCommand {
  readonly clientId: string;
  readonly by: 'owner' | 'before' | 'nobody';
  /** Texts, or sizes of long ones. */
  readonly append: readonly (string | number)[];
  readonly limits: QueueLimits;
  readonly sentBack: number | null;
  readonly settled: { readonly back: number; readonly doneBack: readonly number[] } | null;
  readonly released: readonly number[];
  readonly held: readonly HeldId[];
  readonly forgotten: readonly number[];
  readonly subscribed: readonly StoredSubscription[];
  readonly unsubscribed: readonly string[];
  readonly disconnect: Disconnect | null;
  readonly dismissesWill: boolean;
  readonly ends: boolean;
}

export type Command =
  | { readonly kind: 'claim'; readonly clientId: string; readonly request: Partial<ClaimRequest> }
  | { readonly kind: 'write'; readonly writes: readonly WriteCommand[] }
  | { readonly kind: 'retain'; readonly topic: string; readonly record: string | null }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'restart'; readonly how: 'close' | 'crash' };

const clientId = fc.constantFrom('a', 'b', '{c}');
const topic = fc.constantFrom('t', 't/u', 'é');
const filter = fc.constantFrom('#', 'a/+', '$share/g/x');
const text = fc.oneof(
  { weight: 9, arbitrary: fc.string({ maxLength: 12 }) },
  { weight: 1, arbitrary: fc.nat(40_000) },
);
const blob = fc.string({ maxLength: 5 }).map((one) => Buffer.from(one));
const will = fc.option(blob);
const back = fc.oneof(fc.nat(6), fc.nat(60));
const packetId = fc.integer({ min: 1, max: 4 });
const wallMs = fc.oneof(
  fc.constant(Number.POSITIVE_INFINITY),
  fc.nat(100_000).map((ms) => 1_700_000_000_000 + ms),
);

const limits = fc.oneof(
  fc.constant({ messagesMax: 0, bytesMax: 0, dropsOldest: false }),
  fc.record({
    messagesMax: fc.nat(12),
    bytesMax: fc.constantFrom(0, 0, 30, 50_000),
    dropsOldest: fc.boolean(),
  }),
);

/** Mostly nothing, so that a write has few parts. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>, nothing: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(nothing) }, { weight: 1, arbitrary });

const write: fc.Arbitrary<WriteCommand> = fc.record({
  clientId,
  by: fc.constantFrom('owner', 'owner', 'owner', 'nobody', 'before'),
  append: fc.oneof(fc.array(text, { maxLength: 5 }), fc.array(text, { maxLength: 40 })),
  limits,
  sentBack: rarely(fc.option(back), null),
  settled: rarely(
    fc.option(fc.record({ back, doneBack: fc.uniqueArray(back, { maxLength: 6 }) })),
    null,
  ),
  released: rarely(fc.array(back, { maxLength: 3 }), []),
  held: rarely(
    fc.array(fc.record({ packetId, number: fc.integer({ min: 1, max: 99 }) }), { maxLength: 3 }),
    [],
  ),
  forgotten: rarely(fc.array(packetId, { maxLength: 3 }), []),
  subscribed: rarely(
    fc.array(fc.record({ filter, options: fc.nat(15), identifier: fc.nat(300) }), { maxLength: 2 }),
    [],
  ),
  unsubscribed: rarely(fc.array(filter, { maxLength: 2 }), []),
  disconnect: rarely(
    fc.option(
      fc.record({
        expiresAtMs: wallMs,
        will,
        willAtMs: wallMs,
        isUnsure: fc.boolean(),
        inFlight: fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 20 }),
      }),
    ),
    null,
  ),
  dismissesWill: rarely(fc.boolean(), false),
  ends: rarely(rarely(fc.boolean(), false), false),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('claim' as const),
      clientId,
      request: fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({
            cleanStart: rarely(fc.boolean(), false),
            isDurable: rarely(fc.boolean(), true),
            expiryInterval: fc.constantFrom(0, 60, 0xffff_ffff),
            info: blob,
            will,
            willDelay: fc.nat(100),
          }),
        },
        { weight: 1, arbitrary: fc.constant({ connects: false }) },
      ),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      writes: fc.array(write, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('retain' as const),
      topic,
      record: fc.option(fc.string({ maxLength: 5 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(50_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      how: fc.constantFrom('close' as const, 'crash' as const),
    }),
  },
);

/** Bursts of commands. */
export const commands: fc.Arbitrary<Command[][]> = fc.array(
  fc.array(command, { minLength: 1, maxLength: 5 }),
  { maxLength: 25 },
);
