import { badSubjects, complaints, sizes } from '@mmun/tidy';

/** What one file is convicted of, without the path. */
function convicted(path: string, text: string, strangers: readonly string[] = []): string[] {
  return complaints([{ path, text }], strangers).map((complaint) => complaint.slice(path.length));
}

describe('names', () => {
  it.each(['packages/mm/src/utils.ts', 'packages/common/src/a.ts', 'packages/lib/test/helpers.spec.ts', 'tools/misc.mjs', 'packages/mm/src/types.ts'])('%s', (path) => {
    expect(convicted(path, '// Models mm/a.c (6.18).\n')).toEqual([expect.stringMatching(/^: nothing is named \w+: name the thing$/)]);
  });

  it('a kernel name that only contains one is fine', () => {
    expect(convicted('packages/mm/src/mm-types.ts', '// Models include/linux/mm_types.h (6.18).\n')).toEqual([]);
  });
});

describe('kernel files', () => {
  const header = ': the first line says what is modelled: `// Models mm/mprotect.c (6.18).`, or `// No kernel original: why`';

  it('say what they model, in the first line', () => {
    expect(convicted('packages/mm/src/mprotect.ts', '/** Protection. */\n')).toEqual([header]);
    expect(convicted('packages/mm/src/mprotect.ts', '// Models mm/mprotect.c.\n')).toEqual([header]);
    expect(convicted('packages/arch-x86/src/pgtable.ts', "import { a } from './a.js';\n")).toEqual([header]);
    expect(convicted('packages/mmu-notifier/src/mmu-notifier.ts', '// Models mm/mmu_notifier.c (#v5).\n')).toEqual([]);
    expect(convicted('packages/mm/src/surface.ts', '// No kernel original: type equality of the two halves.\n')).toEqual([]);
    expect(convicted('packages/mm/src/services.ts', '// No kernel file: a driver in C calls these by name.\n')).toEqual([]);
    expect(convicted('packages/mmu-notifier/src/off.ts', "export { a } from './mmu-notifier-off.js';\n")).toEqual([]);
    expect(convicted('packages/explorer/src/dpor.ts', '')).toEqual([]);
  });

  it('hold neither classes nor throw', () => {
    const text = "// Models mm/a.c (6.18).\nclass A {}\nclass B extends Error {}\nfunction f() { throw new B(); }\nfunction g() { throw new KernelBug('out-of-luck'); }\n";
    expect(convicted('packages/mm/src/a.ts', text)).toEqual([
      ':2: no classes in the core: functions over indices',
      ':4: no throw: return a negative errno, or bugOn() or a KernelBug',
    ]);
    expect(convicted('packages/explorer/src/a.ts', text)).toEqual([]);
  });

  it('use a bug code once', () => {
    const a = { path: 'packages/lib/src/a.ts', text: "bugOn(x, 'pool-freed-twice');\nthrow new KernelBug('no-way', 'x');" };
    const b = { path: 'packages/lib/src/b.ts', text: "\nvmBugOn(y, 'pool-freed-twice');\nbugOn(y, code);\nbugOn(y, 'other');" };
    expect(complaints([a, b], [])).toEqual(["packages/lib/src/b.ts:2: bug code 'pool-freed-twice' already stands at packages/lib/src/a.ts:1"]);
  });
});

describe('index.ts', () => {
  it('holds named re-exports only', () => {
    expect(convicted('packages/lib/src/index.ts', "export { a } from './a.js';\nexport type { B } from './b.js';\n")).toEqual([]);
    expect(convicted('packages/lib/src/index.ts', "import { a } from './a.js';\nexport { a };\nexport const b = 1;\n")).toEqual([
      ':1: index.ts holds named re-exports only',
      ':2: index.ts holds named re-exports only',
      ':3: index.ts holds named re-exports only',
    ]);
  });

  it('names what it exports, as every file does', () => {
    expect(convicted('packages/lib/src/index.ts', "export * from './a.js';")).toEqual([':1: name what is exported instead of export *']);
    expect(convicted('packages/lib/src/b.ts', "export * as b from './a.js';")).toEqual([':1: name what is exported instead of export *']);
  });
});

describe('README', () => {
  const path = 'packages/lib/README.md';
  const REST = '```ts\npool();\n```\n## What it does not do\n## Stability\n';
  it('opens with the name and one sentence, and ends within 120 lines', () => {
    expect(convicted(path, `# @mmun/lib\n\nPools and trees over one buffer.\n${REST}`)).toEqual([]);
    expect(convicted(path, `# Lib\n\n## Usage\n${REST}`)).toEqual([':1: the heading is `# @mmun/lib`', ':3: the heading is followed by one sentence on what the package is']);
    expect(convicted(path, `# @mmun/lib\n\nPools.\n${REST}${'x\n'.repeat(118 - REST.split('\n').length)}xx\n`)).toEqual([':121: 121 lines, 120 at most']);
  });

  it('has an example, and says what it does not do and what is stable', () => {
    expect(convicted(path, '# @mmun/lib\n\nPools.\n')).toEqual([': has no section `## What it does not model`', ': has no section `## Stability`', ': has no example']);
  });
});

describe('specs', () => {
  it('have a known kind', () => {
    expect(convicted('packages/lib/test/pool.races.spec.ts', '')).toEqual([': unknown kind of spec `races`: race, prop, variant, toy, type, kit, linux, or none']);
    expect(convicted('packages/lib/test/pool.race.spec.ts', '')).toEqual([]);
  });
});

describe('the machine that wrote it', () => {
  it('leaves no path and no registry', () => {
    expect(convicted('docs/a.md', 'see\n/srv/tree/x\n', ['/srv/tree'])).toEqual([':2: names a machine or a registry: /srv/tree']);
    expect(convicted('docs/a.md', `see ${'/home'}/jane/x`)).toEqual([`:1: names a machine or a registry: ${'/home'}/jane`]);
    expect(convicted('docs/a.md', 'packages/home/index and ../home/x and /home alone')).toEqual([]);
    expect(convicted('package-lock.json', '"resolved": "https://example.org/a.tgz"')).toEqual([': holds registry URLs: npm i --omit-lockfile-registry-resolved']);
  });
});

describe('commit subjects', () => {
  const scopes = new Set(['mm', 'mmu-notifier', 'workspace']);
  it('name the package first', () => {
    expect(badSubjects(['mm: merge VMAs', 'mm, mmu-notifier: hook mprotect'], scopes)).toEqual([]);
    expect(badSubjects(['fix stuff', 'mm: done.', 'kvm: add'], scopes)).toEqual([
      'commit "fix stuff": write `package: do something`, without a full stop',
      'commit "mm: done.": write `package: do something`, without a full stop',
      'commit "kvm: add": kvm is no package, tool, or one of workspace, docs, ci, samples',
    ]);
  });
});

describe('sizes', () => {
  it('are printed, and a long file is named', () => {
    const file = (path: string, lines: number): { path: string; text: string } => ({ path, text: '/** why */\nlet a;\n'.repeat(lines / 2) });
    expect(sizes([file('packages/mm/src/a.ts', 10), file('packages/mm/src/b.ts', 302), file('packages/lib/src/c.ts', 20)])).toEqual([
      'note: packages/mm/src/b.ts has 302 lines: is it still one idea?',
      '3 source files: median 20 lines, 10 of them code; packages: median 156 code lines',
    ]);
  });
});
