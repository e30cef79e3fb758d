import { exportsOf, stale, tsconfigOf } from '../src/sync.mjs';
import type { Package } from '@mmun/build/workspace';

type Manifest = Record<string, unknown>;

function exportsFor(folder: string, tags: readonly string[], manifest: Manifest): Record<string, unknown> {
  return exportsOf({ name: '@mmun/x', folder, directory: `/nowhere/${folder}`, manifest, tags, internal: [] });
}

describe('exports', () => {
  it('an entry that names its source gets types and a default', () => {
    expect(exportsFor('packages/x', ['layer:lib'], { exports: { '.': './src/index.ts', './off': './src/notifier-off.ts' } })).toEqual({
      '.': { '@mmun/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' },
      './off': { '@mmun/source': './src/notifier-off.ts', types: './dist/notifier-off.d.ts', default: './dist/notifier-off.js' },
    });
  });

  it('a package with tasks gets its fast build, before the default', () => {
    const entry = exportsFor('packages/x', ['layer:lib', 'build:fast'], { exports: { '.': './src/index.ts' } })['.'] as Manifest;
    expect(Object.keys(entry)).toEqual(['@mmun/source', 'types', '@mmun/fast', 'default']);
    expect(entry['@mmun/fast']).toBe('./dist/fast/index.js');
  });

  it('writing them twice changes nothing', () => {
    const tags = ['layer:plugin', 'build:fast'];
    const once = exportsFor('packages/x', tags, { exports: { '.': './src/index.ts' } });
    expect(exportsFor('packages/x', tags, { exports: once })).toEqual(once);
    expect(once['./fast']).toEqual({ '@mmun/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/fast/index.js' });
  });

  it('leaves plain files alone, and asks for a source where none is named', () => {
    expect(exportsFor('packages/x', ['layer:lib'], { exports: { './package.json': './package.json' } })).toEqual({ './package.json': './package.json' });
    expect(() => exportsFor('packages/x', ['layer:lib'], { exports: { '.': { default: './a.js' } } })).toThrow(
      'packages/x/package.json: exports["."] names no source: write ".": "./src/....ts"',
    );
  });

  it('the image has one subpath per variant, and itself for tests', () => {
    const image = exportsFor('packages/image', ['layer:image'], { exports: { '.': './src/linked.ts' } });
    expect(image['./x86-off-fast']).toEqual({ '@mmun/source': './src/linked.ts', types: './dist/x86-off-fast.d.ts', default: './dist/x86-off-fast.js' });
    expect(image['.']).toEqual({ '@mmun/source': './src/linked.ts', types: './dist/linked.d.ts' });
  });
});

describe('tsconfig references', () => {
  const pkg = (short: string, internal: readonly string[], imports: Manifest = {}): Package => ({
    name: `@mmun/${short}`, folder: `packages/${short}`, directory: `/nowhere/${short}`, manifest: { imports }, tags: ['layer:mm', 'env:pure'], internal,
  });

  it('follow dependencies, and of private imports only the default', () => {
    const asm = { '@mmun/arch-x86': '@mmun/arch-x86', default: '@mmun/arch-generic' };
    const mm = pkg('mm', ['@mmun/arch-generic', '@mmun/arch-x86', '@mmun/lib'], { '#asm': asm });
    const all = [pkg('arch-generic', []), pkg('arch-x86', []), pkg('lib', []), pkg('other', []), mm];
    expect(tsconfigOf(mm, all).references).toEqual([{ path: '../arch-generic' }, { path: '../lib' }]);
  });
});

describe('the tree', () => {
  it('names an empty tree as stale: it lacks even its root references', () => {
    expect(stale('/nowhere')).toEqual(['tsconfig.json']);
  });
});
