import { straighten, StraightenError } from '@mmun/build/straighten';
import type { Form } from '@mmun/build/straighten';

const IMPORT = "import type { Task, Step } from '@mmun/include';\n";

/** The rewritten source without the import line; the source itself where nothing was rewritten. */
function rewrite(source: string, form: Form = 'fast'): string {
  const out = straighten(IMPORT + source, 'a.ts', { form });
  return (out?.code ?? IMPORT + source).slice(IMPORT.length);
}

describe('fast form: what a task loses', () => {
  const cases: readonly (readonly [what: string, source: string, expected: string])[] = [
    ['declaration', 'function* f(): Task<Step> { yield* g(); }', 'function f(): Task<Step> { g(); }'],
    ['star next to the name', 'function *f(): Task<Step> {}', 'function  f(): Task<Step> {}'],
    ['star glued to both', 'function*f(): Task<Step> {}', 'function f(): Task<Step> {}'],
    ['exported declaration', 'export function* f(): Task<Step> { return yield* g(); }', 'export function f(): Task<Step> { return g(); }'],
    ['default export', 'export default function* (): Task<Step> {}', 'export default function (): Task<Step> {}'],
    ['named expression', 'const f = function* f(): Task<Step> {};', 'const f = function f(): Task<Step> {};'],
    ['anonymous expression', 'const f = function*(): Task<Step> {};', 'const f = function(): Task<Step> {};'],
    ['object method', 'const o = { *m(): Task<Step> { yield* g(); } };', 'const o = { m(): Task<Step> { g(); } };'],
    ['computed and quoted methods', "const o = { *['c'](): Task<Step> {}, *'q'(): Task<Step> {}, *1(): Task<Step> {} };", "const o = { ['c'](): Task<Step> {}, 'q'(): Task<Step> {}, 1(): Task<Step> {} };"],
    ['class method', 'class C { *m(): Task<Step> {} }', 'class C { m(): Task<Step> {} }'],
    ['static method', 'class C { static *m(): Task<Step> {} }', 'class C { static m(): Task<Step> {} }'],
    ['method with modifiers and type parameters', 'class C extends D { public override *m<X>(x: X): Task<Step, X> { return x; } }', 'class C extends D { public override m<X>(x: X): Task<Step, X> { return x; } }'],
    ['private method', 'class C { *#p(): Task<Step> { yield* this.#p(); } }', 'class C { #p(): Task<Step> { this.#p(); } }'],
    ['comments between the tokens', 'function /* * */ * /* b */ f(): Task<Step> { yield /* c */ * /* d */ g(); }', 'function /* * */  /* b */ f(): Task<Step> { g(); }'],
    ['value, argument and condition', 'function* f(): Task<Step, number> { const a = yield* g(yield* h()); if (yield* i()) return a; return (yield* j()) + 1; }', 'function f(): Task<Step, number> { const a = g(h()); if (i()) return a; return (j()) + 1; }'],
    ['try and finally', 'function* f(): Task<Step> { try { yield* g(); } finally { yield* h(); } }', 'function f(): Task<Step> { try { g(); } finally { h(); } }'],
    ['conditional, non-null, cast operands', 'function* f(): Task<Step> { yield* (a ? g() : h()); yield* g!(); yield* (g() as T); yield* o.m?.(); }', 'function f(): Task<Step> { void (a ? g() : h()); g!(); void (g() as T); o.m?.(); }'],
    ['bare yield statement', "function* f(): Task<Step> { yield 'step'; if (a) yield 'step'; }", 'function f(): Task<Step> { void 0; if (a) void 0; }'],
    ['newline between return yield* and its operand', 'function* f(): Task<Step, 1> { return yield*\n  g(); }', 'function f(): Task<Step, 1> { return g(); }'],
    ['semicolon-less statements that would fuse', 'function* f(): Task<Step> {\n  const a = b\n  yield* (g)()\n  yield* [g][0]()\n}', 'function f(): Task<Step> {\n  const a = b\n  void (g)()\n  void [g][0]()\n}'],
  ];
  it.each(cases)('%s', (_what, source, expected) => {
    expect(rewrite(source)).toBe(expected);
  });
});

describe('fast form: what is left alone', () => {
  const untouched: readonly (readonly [what: string, source: string])[] = [
    ['iterators', 'function* f(): Generator<number> { yield 1; yield* [2]; }'],
    ['iterable iterators', 'const o = { *[Symbol.iterator](): IterableIterator<number> { yield 1; } };'],
    ['async iterators', 'async function* f(): AsyncGenerator<number> { yield 1; }'],
    ['a plain function that returns a task', 'const f = (x: number): Task<Step> => g(x);'],
    ['multiplication', 'const a = b * c; // yield'],
  ];
  it.each(untouched)('%s', (_what, source) => {
    expect(rewrite(source)).toBe(source);
  });

  it('an iterator in a task, a task in an iterator, an arrow between', () => {
    expect(
      rewrite('function* f(): Task<Step> { function* it(): Iterable<number> { yield 1; } for (const v of it()) yield* g(v); }'),
    ).toBe('function f(): Task<Step> { function* it(): Iterable<number> { yield 1; } for (const v of it()) g(v); }');
    expect(
      rewrite('function* f(): Generator<number> { const t = function* (): Task<Step> { yield* g(); }; yield 1; }'),
    ).toBe('function* f(): Generator<number> { const t = function (): Task<Step> { g(); }; yield 1; }');
    expect(
      rewrite('function* f(): Task<Step> { yield* g(() => { class C { x = function* (): Generator<1> { yield 1; }; static { h(); } } }); }'),
    ).toBe('function f(): Task<Step> { g(() => { class C { x = function* (): Generator<1> { yield 1; }; static { h(); } } }); }');
  });
});

describe('what counts as a task', () => {
  const form = { form: 'fast' } as const;

  it('knows the type under another name, through a namespace, and through aliases of aliases', () => {
    expect(straighten("import { type Task as T } from '@mmun/include';\nfunction* f(): T<S> {}", 'a.ts', form)?.code).toContain('function f(): T<S>');
    expect(straighten("import type * as E from '@mmun/include';\nfunction* f(): E.Task<S> {}", 'a.ts', form)?.code).toContain('function f(): E.Task<S>');
    expect(rewrite('type B<R> = A<R>; export type A<R> = Task<Step, R>; function* f(): B<1> { return 1; }')).toContain('function f(): B<1>');
  });

  it('knows the file that declares it, and its neighbours', () => {
    expect(straighten('export type Task<E extends string, R = void> = Generator<E, R, void>;\nfunction* f(): Task<S> {}', 'task.ts', form)?.code).toContain('function f()');
    expect(straighten("import type { Task } from './task.js';\nfunction* f(): Task<S> {}", 'a.ts', form)?.code).toContain('function f()');
  });

  it('does not take a stranger of the same name for one', () => {
    expect(() => straighten("import type { Task } from 'gulp';\nfunction* f(): Task<S> {}", 'a.ts', form)).toThrow('a generator must say what it is');
  });

  it('takes other names and modules where it is told to', () => {
    const source = "import type { Coroutine } from 'effects';\nfunction* f(): Coroutine<S> { yield* g(); }";
    expect(straighten(source, 'a.ts', { ...form, effectsModules: ['effects'], taskNames: ['Coroutine'] })?.code).toContain('function f(): Coroutine<S> { g(); }');
  });
});

describe('what is refused, with file, line and column', () => {
  const refused: readonly (readonly [source: string, message: string])[] = [
    ['function* f() { yield 1; }', 'a.ts:2:1: a generator must say what it is: annotate its return type with Task (a task, straightened) or with Generator/IterableIterator (left alone)'],
    ['class C { *m() { yield 1; } }', 'a.ts:2:13: a generator must say what it is'],
    ['function* f(): Task<Step> {\n  yield* t;\n}', 'a.ts:3:3: yield* in a task must be applied to a call'],
    ['function* f(): Task<Step> { yield* (a ? g() : t); }', 'a.ts:2:29: yield* in a task must be applied to a call'],
    ["function* f(): Task<Step> { const a = yield 'step'; }", 'a.ts:2:39: a bare yield in a task must be a statement'],
    ['async function* f(): Task<Step> {}', 'a.ts:2:1: a task cannot be async'],
    ['class C {\n  get\n  *m(): Task<Step> {}\n}', 'a.ts:4:3: a field named get/set before *method needs a semicolon'],
    ['function* f(): Task<Step> { return yield* point(m); }', 'a.ts:2:36: a point must be a statement of its own: yield* point(...);'],
    ['function* f(): Task<Step> { yield* g( }', 'a.ts:2:'],
  ];
  it.each(refused)('%s', (source, message) => {
    expect(() => rewrite(source)).toThrow(StraightenError);
    expect(() => rewrite(source)).toThrow(message);
  });
});

describe('explore form', () => {
  it('decides points in place and keeps every other task a generator', () => {
    expect(rewrite("function* f(): Task<Step> {\n  yield* point(m, 'load', w);\n  yield* pointUntil(m, k, w, 1, 0);\n  yield* g();\n  yield 'step';\n}", 'explore')).toBe(
      "function* f(): Task<Step> {\n  { if (point(m, 'load', w)) yield 'step'; }\n  { while (pointUntil(m, k, w, 1, 0)) yield 'step'; }\n  yield* g();\n  yield 'step';\n}",
    );
  });

  it('keeps an else with its if', () => {
    expect(rewrite('function* f(): Task<Step> { if (a) yield* point(m); else yield* g(); }', 'explore')).toBe(
      "function* f(): Task<Step> { if (a) { if (point(m)) yield 'step'; } else yield* g(); }",
    );
  });

  it('needs no semicolon', () => {
    expect(rewrite('function* f(): Task<Step> {\n  yield* point(m)\n  a()\n}', 'explore')).toBe("function* f(): Task<Step> {\n  { if (point(m)) yield 'step' }\n  a()\n}");
  });

  it('rewrites inside the arguments of a point, and leaves points outside of tasks alone', () => {
    expect(rewrite('function* f(): Task<Step> { yield* point(m, yield* g()); }', 'explore')).toBe("function* f(): Task<Step> { { if (point(m, yield* g())) yield 'step'; } }");
    const iterator = 'function* f(): Generator<1> { yield* point(m); }';
    expect(rewrite(iterator, 'explore')).toBe(iterator);
  });

  it('takes other point names', () => {
    const source = `${IMPORT}function* f(): Task<Step> { yield* wait(m); yield* point(m); }`;
    expect(straighten(source, 'a.ts', { form: 'explore', points: { wait: 'while' } })?.code).toContain("{ while (wait(m)) yield 'step'; } yield* point(m); }");
  });

  it('returns null where nothing is to be rewritten', () => {
    expect(straighten(`${IMPORT}function* f(): Task<Step> { yield* g(); }`, 'a.ts', { form: 'explore' })).toBeNull();
  });
});

describe('idle text', () => {
  it.each(['fast', 'explore'] as const)('%s: words in comments and strings mean nothing', (form) => {
    const source = "// function* f() { yield* g }\nconst s = 'yield* point(m);';\n";
    expect(straighten(source, 'a.ts', { form })).toBeNull();
  });
});
