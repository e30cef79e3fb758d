import { inFrames } from '@mmun/test-support/in-frames';
import { join } from 'node:path';
import * as native from './samples.js';
import type { FrameTask, ThreadState } from '../src/frames.js';

type Samples = typeof native;
let framed: Samples;

beforeAll(async () => { framed = await inFrames<Samples>(join(import.meta.dirname, 'samples.ts')); });

/** Everything a task does, and its result. */
function trace(task: Generator<string, unknown, void>, lines: string[]): string[] {
  for (;;) {
    const { done, value } = task.next();
    if (done === true) return [...lines, `= ${String(value)}`];
  }
}

function save(task: unknown, m: native.Log): ThreadState {
  return framed.saveTask(task as FrameTask, new framed.Constants(m), new framed.Hash());
}

describe('a task in the frames form', () => {
  it.each(Object.keys(native.samples))('%s does what it does as a generator', (name) => {
    const [a, b]: native.Log[] = [{ lines: [] }, { lines: [] }];
    const task = framed.samples[name]?.(b as native.Log);
    expect(framed.isFrameTask(task)).toBe(true);
    expect(trace(task as never, b?.lines ?? [])).toEqual(trace(native.samples[name]?.(a as native.Log) as never, a?.lines ?? []));
  });

  it.each(Object.keys(native.samples))('%s goes on from a copy taken at any step, as often as wanted, and leaves the original alone', (name) => {
    const m: native.Log = { lines: [] };
    const constants = new framed.Constants(m);
    const whole = trace(framed.samples[name]?.(m) as never, m.lines);
    for (let steps = 1; steps < whole.length - 1; steps++) {
      m.lines.length = 0;
      const task = framed.samples[name]?.(m) as never as Generator<string, unknown, void>;
      for (let i = 0; i < steps; i++) task.next();
      const state = framed.saveTask(task as never, constants, new framed.Hash());
      const before = m.lines.slice();
      for (let again = 0; again < 2; again++) {
        m.lines.splice(0, Infinity, ...before);
        expect(trace(framed.loadTask(state, constants) as never, m.lines)).toEqual(whole);
      }
      m.lines.splice(0, Infinity, ...before);
      expect(trace(task, m.lines)).toEqual(whole);
    }
  });

  it('is the same thread wherever its variables have the same values, and another elsewhere', () => {
    const m: native.Log = { lines: [] };
    const at = (name: string, steps: number): string => {
      const task = framed.samples[name]?.(m) as never as Generator<string, unknown, void>;
      m.lines.length = 0;
      for (let i = 0; i < steps; i++) task.next();
      const { lo, hi } = save(task, m);
      return `${lo} ${hi}`;
    };
    expect(at('loops', 3)).toBe(at('loops', 3));
    const places = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((steps) => at('loops', steps)));
    expect(places.size).toBe(11);
  });

  it('differs in nothing by a variable that is never looked at again', () => {
    const m: native.Log = { lines: [] };
    const at = (scratch: number, steps: number): number => {
      const task = framed.forgets(m, scratch);
      for (let i = 0; i < steps; i++) task.next();
      return save(task, m).lo;
    };
    expect(at(1, 1)).toBe(at(2, 1));
  });

  it('shares with later copies the frames that have not run in between', () => {
    const m: native.Log = { lines: [] };
    const constants = new framed.Constants(m);
    const task = framed.samples['methods']?.(m) as never as Generator<string, unknown, void> & FrameTask;
    const states = [1, 2, 3].map(() => {
      task.next();
      return framed.saveTask(task, constants, new framed.Hash());
    });
    const callers = states.map(({ parent }) => parent);
    expect(framed.saveTask(task, constants, new framed.Hash())).toBe(states[2]);
    expect(callers.every((caller) => caller !== null)).toBe(true);
    const again = framed.loadTask(states[2] as ThreadState, constants);
    expect(framed.saveTask(again, constants, new framed.Hash()).parent).toBe(callers[2]);
    expect(new Set(states.map(({ lo, hi }) => `${lo} ${hi}`)).size).toBe(3);
  });

  it('is refused where it holds a task that has not begun: each copy would begin the same one', () => {
    const m: native.Log = { lines: [] };
    const task = framed.keeps(m);
    task.next();
    expect(() => save(task, m)).toThrow('a task that has not begun');
  });

  it('is refused where it holds a function that sees its variables', () => {
    const m: native.Log = { lines: [] };
    const task = framed.closes(m);
    task.next();
    expect(() => save(task, m)).toThrow('a function that was made in the task');
  });

  it('a generator is no frame', () => {
    expect(native.isFrameTask(native.forgets({ lines: [] }, 1))).toBe(false);
  });
});
