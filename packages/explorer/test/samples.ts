/** Tasks of every shape, for frames.spec.ts: natively and in the frames form they must do the same. */
import type { Step, Task } from '@mmun/include';

/** Writes down what happens; lives outside of the tasks, as a machine does. */
export interface Log {
  readonly lines: string[];
}

function* step(m: Log, text: unknown): Task<Step, number> {
  m.lines.push(String(text));
  yield 'step';
  return m.lines.length;
}

function* loops(m: Log): Task<Step, number> {
  let sum = 0;
  for (let i = 0; i < 4; i++) {
    if (i === 1) continue;
    sum += yield* step(m, `for ${i}`);
    if (i === 3) break;
  }
  for (const word of ['a', 'b', 'b']) yield* step(m, word);
  let left = 2;
  while (left-- > 0) yield* step(m, `while ${left}`);
  do yield* step(m, 'do'); while (++left < 1);
  outer: for (;;) {
    for (let j = 0; j < 3; j++) {
      yield* step(m, `inner ${j}`);
      if (j === 1) break outer;
    }
  }
  return sum;
}

function* tries(m: Log): Task<Step, string> {
  try {
    yield* step(m, 'try');
    try {
      yield* step(m, 'inner');
      throw new Error('thrown');
    } finally {
      yield* step(m, 'finally');
    }
  } catch (error) {
    yield* step(m, (error as Error).message);
    return 'caught';
  } finally {
    yield* step(m, 'last');
  }
}

function* thrower(m: Log): Task<Step> {
  yield* step(m, 'before');
  throw new Error('from below');
}

function* catcher(m: Log): Task<Step, number> {
  for (let i = 0; i < 2; i++) {
    try {
      yield* thrower(m);
    } catch (error) {
      yield* step(m, `${i} ${(error as Error).message}`);
    }
  }
  return 7;
}

function* expressions(m: Log, { x, y }: { x: number; y: number }, z = 3, ...rest: number[]): Task<Step, string> {
  const list = [1, 2, 3];
  list[1] += yield* step(m, 'index');
  const isBoth = x > 0 && (yield* step(m, 'and')) > 0;
  const { length: n, [0]: first } = [yield* step(m, 'first'), yield* step(m, 'second')];
  switch (n) {
    case 2: yield* step(m, 'two'); break;
    default: yield* step(m, 'other');
  }
  return [...list, isBoth, first, y, z, ...rest, x > 5 ? yield* step(m, 'big') : 'small'].join();
}

/** Two names of one object, and a change of it while the task below holds it. */
function* objects(m: Log): Task<Step, string> {
  const gather = { start: 1, ends: [2, 3] };
  const alias = gather;
  yield* fill(m, gather);
  alias.start++;
  yield* step(m, JSON.stringify(gather));
  return `${gather.start} ${gather.ends.length}`;
}

function* fill(m: Log, gather: { start: number; ends: number[] }): Task<Step> {
  yield* step(m, 'fill');
  gather.ends.push(4);
  yield* step(m, 'filled');
  gather.start = 10;
}

const ops = {
  *method(m: Log, i: number): Task<Step, number> { return i + (yield* step(m, `method ${i}`)); },
  property: function* (m: Log): Task<Step> { yield* step(m, 'property'); },
};

function* methods(m: Log): Task<Step, number> {
  yield* ops.property(m);
  const call = ops.method;
  return (yield* ops.method(m, 5)) + (yield* call(m, 6));
}

export const samples: Readonly<Record<string, (m: Log) => Task<Step, unknown>>> = {
  loops, tries, catcher, methods, objects,
  expressions: (m) => expressions(m, { x: 9, y: 2 }, undefined, 4, 5),
};

/** A function made in the task sees its variables. */
export function* closes(m: Log): Task<Step> {
  let i = 0;
  const next = (): number => ++i;
  yield* step(m, next());
  yield* step(m, next());
}

/** Makes a task long before it runs it. */
export function* keeps(m: Log): Task<Step> {
  const later = step(m, 'later');
  yield* step(m, 'now');
  yield* later;
}

/** `scratch` is not looked at again after the first step. */
export function* forgets(m: Log, scratch: number): Task<Step> {
  yield* step(m, `used ${scratch > 0}`);
  yield* step(m, 'done');
}

export { Constants, isFrameTask, loadTask, saveTask } from '../src/frames.js';
export { Hash } from '../src/hash.js';
