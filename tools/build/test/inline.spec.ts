import { spawnSync } from 'node:child_process';
import { decodeMappings, encodeMappings } from '../src/mappings.mjs';
import { inline } from '../src/inline.mjs';

const NO_MAP = JSON.stringify({ version: 3, sources: ['a.ts'], names: [], mappings: '' });
const inlined = (code: string, hot: readonly string[] = []): string => inline(code, NO_MAP, new Set(hot)).code;

/** What the program prints, as it is written and with its functions put in. */
function bothPrint(code: string): string {
  const [written, made] = [code, inlined(code)].map((text) => spawnSync(process.execPath, ['--input-type=module', '--eval', text], { encoding: 'utf8' }));
  expect(made?.stderr).toBe('');
  expect(made?.stdout).toBe(written?.stdout);
  return made?.stdout ?? '';
}

/** The text of one function. */
function textOf(code: string, name: string): string {
  return new RegExp(`^function ${name}\\([^]*?^}`, 'm').exec(code)?.[0] ?? '';
}

describe('inline', () => {
  it('puts constants in, and what is computed of them', () => {
    expect(inlined('var PAGE = 4096, PER_PAGE = 1 / PAGE, NX = 2 ** 52;\nfunction f(a) {\n  return a * PER_PAGE + NX;\n}')).toContain('return a * (0.000244140625) + (4503599627370496);');
    expect(bothPrint('var PAGE = 4096, LEAST = Math.min(-PAGE, 1);\nconsole.log(PAGE.toString(16), -LEAST, { PAGE }, `${LEAST}`);')).toBe('1000 4096 { PAGE: 4096 } -4096\n');
  });

  it('leaves what is set again, and names of the same letters', () => {
    const code = 'var a = 1;\nvar b = 2;\nfunction f(o) {\n  a = 3;\n  const { b } = o;\n  return b + o.b + a;\n}\nexport { f, b };';
    expect(inlined(code)).toBe(code);
  });

  it('puts a function in, with its variables as the caller\'s', () => {
    const code = inlined('function g(x, y) {\n  let z = x.q;\n  return z + y;\n}\nfunction f(x) {\n  return g(x, 1) + g(x.next, 2);\n}\nexport { f, g };');
    expect(textOf(code, 'f')).not.toContain('g(');
    expect(textOf(code, 'f')).toMatch(/let z\$1, x\$2, z\$3;/);
  });

  it('drops what only reads, and variables that nobody reads', () => {
    const code = inlined('function where(m, i) {\n  return (m.first ?? m.offset >>> 2) + i;\n}\nfunction f(m) {\n  let { head } = m.pool, lock = where(m, 1), rest = m.rest;\n  head.used;\n  where(m, 2);\n  return rest;\n}\nexport { f, where };');
    expect(textOf(code, 'f').replaceAll(/\s+/g, ' ')).toBe('function f(m) { let rest = m.rest; ; ; return rest; }');
  });

  it.each([
    ['loops', 'function g(n) { let s = 0; for (let i = 0; i < n; i++) s += i; return s; }'],
    ['throws', 'function g(n) { if (n > 9) throw new Error("n"); return n; }'],
    ['closures', 'function g(n) { return [n].map((x) => x + n)[0]; }'],
    ['recursion', 'function g(n) { return n <= 0 ? 0 : n + g(n - 1); }'],
    ['a return on some ways of a branch', 'function g(n) { if (n > 1) { if (n > 2) return 7; n++; } return n; }'],
  ])('calls what has %s', (_what, callee) => {
    expect(textOf(inlined(`${callee}\nfunction f(n) {\n  return g(n);\n}\nexport { f, g };`), 'f')).toContain('g(n)');
  });

  it('a large function is put in where it is called once or is hot, and else is called', () => {
    const large = `function g(n) {\n  return ${Array.from({ length: 60 }, (_, i) => `(n & ${i})`).join(' + ')};\n}`;
    const calls = (nr: number): string => `${large}\nfunction f(n) {\n  return ${Array.from({ length: nr }, () => 'g(n)').join(' + ')};\n}\nexport { f };`;
    expect([1, 2].map((nr) => textOf(inlined(calls(nr)), 'f').includes('g(n)'))).toEqual([false, true]);
    expect(textOf(inlined(calls(2), ['g']), 'f')).not.toContain('g(n)');
  });

  it('a call in a closure stays one, and so does one whose names the caller has for something else', () => {
    const code = inlined('var one = { v: 1 };\nfunction g(n) {\n  return n + one.v;\n}\nfunction f(n) {\n  const one = 5;\n  return g(n) + one;\n}\nfunction h(n) {\n  return () => g(n);\n}\nexport { f, g, h, one };');
    expect([textOf(code, 'f'), textOf(code, 'h')].map((text) => text.includes('g(n)'))).toEqual([true, true]);
  });

  it('arguments are evaluated once, in their order, before the callee; what it sets stays its own', () => {
    expect(bothPrint(`
function say(x) { console.log(x); return x; }
function set(a, b) { a = a + b; return a; }
function last(a, b, c) { return c; }
function early(a) { if (a > 2) return 'many'; else if (a === 2) { say('two'); return 'two'; } let rest; if (a === 1) rest = 'one'; return rest; }
function swap(p) { let { a, b: c } = p; p.a = c; p.b = a; return p; }
function main() {
  let x = 1;
  console.log(set(x, say(2)), x, last(say('p'), say('q'), say('r')), set(x = 5, x), x);
  for (const n of [0, 1, 2, 3]) console.log(early(n), say(early(n)));
  console.log(swap({ a: 1, b: 2 }), set(1), early());
}
main();
export { set, early };`)).toContain('many');
  });

  it('calls BUG_ON only where its condition holds', () => {
    const code = 'function bugOn(c, code) {\n  if (c) throw new Error(code);\n}\nfunction f(n) {\n  bugOn(n > 2, "much");\n  return n;\n}\nexport { f };';
    expect(textOf(inlined(code), 'f')).toContain('((n > 2) ? bugOn(true, "much") : void 0);');
    expect(bothPrint(`${code}\ntry { console.log(f(2)); f(3); } catch ({ message }) { console.log(message); }`)).toBe('2\nmuch\n');
  });

  it('keeps the map of what it moves', () => {
    const code = 'function g(x) {\n  return x.deep;\n}\nfunction f(x) {\n  return g(x);\n}\nexport { f, g };';
    // line by line, and the callee's expression
    const mappings = encodeMappings([[[0, 0, 10, 0]], [[2, 0, 11, 2], [9, 0, 11, 9]], [], [[0, 0, 20, 0]], [[2, 0, 21, 2], [9, 0, 21, 9]], [], [[0, 0, 30, 0]]]);
    const made = inline(code, JSON.stringify({ version: 3, sources: ['a.ts'], names: [], mappings }));
    const lines = made.code.split('\n');
    const at = lines.findIndex((line, i) => i > 2 && line.includes('x.deep'));
    const segments = decodeMappings(JSON.parse(made.map).mappings)[at] ?? [];
    expect(segments.filter(([column = 0]) => column <= (lines[at] ?? '').indexOf('.deep')).at(-1)?.slice(1)).toEqual([0, 11, 9]);
  });
});

describe('mappings', () => {
  it('are read and written alike', () => {
    expect(decodeMappings('AAAA;;gBACD,IAAI')).toEqual([[[0, 0, 0, 0]], [], [[16, 0, 1, -1], [20, 0, 1, 3]]]);
    expect(encodeMappings(decodeMappings('AAAA;;gBACD,IAAI'))).toBe('AAAA;;gBACD,IAAI');
  });
});
