/** Small random programs, which fast-check can shrink. */
import fc from 'fast-check';
import type { Op } from './random-program.js';

const word = fc.constantFrom(0, 0, 0, 1);
const lock = fc.constantFrom(0, 0, 0, 1);
const value = fc.nat({ max: 2 });

const leaf: fc.Arbitrary<Op> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('add' as const, 'set' as const), word, value }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), word, value }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'unless' as const, 'reach' as const, 'mark' as const), word }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('choose' as const), word: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expect' as const), word, value: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('yield' as const, 'sync' as const, 'call' as const, 'seqRead' as const) }) },
);

const locked: fc.Arbitrary<Op> = fc.record({
  do: fc.constantFrom('spin' as const, 'spin' as const, 'spinTry' as const, 'mutex' as const, 'mutexTry' as const, 'down' as const, 'downTry' as const, 'downRead' as const, 'downReadTry' as const, 'downgrade' as const, 'rcu' as const),
  lock,
  body: fc.array(leaf, { maxLength: 2 }),
});

const nested: fc.Arbitrary<Op> = fc.record({
  do: fc.constantFrom('spin' as const, 'mutex' as const, 'down' as const, 'downRead' as const),
  lock,
  body: fc.array(fc.oneof(locked, leaf), { maxLength: 2 }),
});

const op: fc.Arbitrary<Op> = fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 3, arbitrary: locked }, { weight: 1, arbitrary: nested });
/** At most one writer of the seqcount: writers exclude each other by a lock that is not part of it. */
const writer: fc.Arbitrary<readonly Op[]> = fc.constant([{ do: 'seqWrite' as const }]);

/** Two or three threads, few enough operations that every interleaving can be tried. */
export const smallProgram: fc.Arbitrary<readonly (readonly Op[])[]> = fc.oneof(
  fc.tuple(fc.array(op, { minLength: 1, maxLength: 3 }), fc.array(op, { minLength: 1, maxLength: 3 })),
  fc.tuple(fc.array(op, { minLength: 1, maxLength: 2 }), fc.array(op, { minLength: 1, maxLength: 1 }), fc.array(op, { minLength: 1, maxLength: 1 })),
  fc.tuple(writer, fc.array(op, { minLength: 1, maxLength: 2 }), fc.array(op, { minLength: 1, maxLength: 1 })),
);
