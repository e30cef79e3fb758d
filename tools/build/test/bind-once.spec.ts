import { spawnSync } from 'node:child_process';
import { bindOnce } from '../src/bind-once.mjs';

describe('bindOnce', () => {
  it('makes constants of functions and variables, on the lines where they stand', () => {
    expect(bindOnce('var a = 1, b = f;\nfunction f(x) {\n  return x;\n}\n')).toBe('const a = 1, b = f;\nconst f = function(x) {\n  return x;\n};\n');
  });

  it('leaves what is assigned to, what has no value yet, and generators', () => {
    const code = 'var a = 1;\nvar b;\nvar c = 0;\nvar d = 0;\nfunction f() { a = 2; c++; [d] = [1]; for (g of []) ; }\nfunction g() {}\nfunction* h() {}\n';
    expect(bindOnce(code)).toBe(code.replace('function f() {', 'const f = function() {').replace('for (g of []) ; }', 'for (g of []) ; };'));
  });

  it('a local of the same name is another', () => {
    expect(bindOnce('function f() { const x = 1; { const f = x; return f; } }\n')).toMatch(/^const f = function/);
  });

  it('exports other names than the module uses', () => {
    expect(bindOnce('function f() {}\nconst a = 1;\nexport { f, a as b };\n')).toBe(
      'const f = function() {};\nconst a = 1;\nconst exported_f = f; const exported_a = a; export { exported_f as f, exported_a as b };\n');
  });

  it('the functions of what it makes do what they did, also before their turn, and keep their names', () => {
    const made = bindOnce('function even(n) { return n === 0 || odd(n - 1); }\nfunction odd(n) { return n !== 0 && even(n - 1); }\nvar ten = even(10);\nexport { even };\n');
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', `${made}console.log(ten, even(7), even.name);`], { encoding: 'utf8' });
    expect(stdout).toBe('true false even\n');
  });
});
