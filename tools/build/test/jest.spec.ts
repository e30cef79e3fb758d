import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { firstOfLines, linkedName, withoutBroken } from '../src/jest-link.mjs';
import { summary } from '../src/jest-reporter.mjs';
import type { Package } from '../src/workspace.mjs';

describe('the jest transform', () => {
  it('gives a CommonJS module its import.meta', () => {
    expect(import.meta.url).toBe(pathToFileURL(import.meta.filename).href);
    expect(import.meta.filename).toBe(join(import.meta.dirname, 'jest.spec.ts'));
    expect(createRequire(import.meta.url).resolve('./straighten.spec.ts')).toBe(join(import.meta.dirname, 'straighten.spec.ts'));
  });

  it('makes import() work, of our own modules and of packages', async () => {
    expect(typeof (await import('../src/straighten.mjs')).straighten).toBe('function');
    expect(typeof (await import('magic-string')).default).toBe('function');
  });
});

describe('what a project links', () => {
  const root = join(import.meta.dirname, '../../..');

  it('are the sources of packages, not their specs, nor tools and commands', () => {
    expect(linkedName(join(root, 'packages/mm/src/memory.ts'))).toBe('packages/mm/src/memory.ts');
    for (const path of ['packages/mm/test/fault.spec.ts', 'packages/mm/dist/index.d.ts', 'packages/cli/src/main.ts', 'tools/build/src/build.mjs']) {
      expect(linkedName(join(root, path))).toBeNull();
    }
  });

  it('leaves out a package that does not link, and whatever is built upon it', () => {
    const of = (name: string, ...internal: string[]): Package => ({ name, folder: `packages/${name}`, directory: '', manifest: {}, tags: [], internal });
    const packages = [of('kit', 'mm', 'lib'), of('lib'), of('explorer', 'lib'), of('mm', 'lib'), of('races', 'kit')];
    const left = (...broken: string[]): string[] => withoutBroken(packages, new Set(broken.map((name) => `packages/${name}`))).map(({ name }) => name);
    expect(left('mm')).toEqual(['lib', 'explorer']);
    expect(left('lib')).toEqual([]);
    expect(left('elsewhere')).toHaveLength(5);
  });
});

describe('the map of what is linked', () => {
  it('has the first place of each line that has one in a source, and no other', () => {
    expect(firstOfLines('AAAA,IAAQ;EACL,IACFA;;C,EAGD;wCAoGA')).toBe('AAAA;EACG;;GAIH;wCAoGA');
  });
});

describe('the last lines of a run', () => {
  const test = (title: string, status: string): { title: string; status: string } => ({ title, status });

  it('sum each image and all, broken suites and shut gates counted', () => {
    const results = {
      testResults: [
        { displayName: { name: 'x86' }, testResults: [test('a', 'passed'), test('b', 'failed'), test('c', 'pending'), test('d', 'todo')] },
        { displayName: { name: 'x86' }, testExecError: new Error('does not compile'), testResults: [] },
        { displayName: { name: 'x86-fast' }, testResults: [test('a', 'passed'), test('e [CHECKED is off: must fail]', 'passed')] },
      ],
    };
    expect(summary(results)).toEqual([
      'image x86 (arch x86, design v5, checked): 1 passed, 2 failed, 2 skipped',
      'image x86-fast (arch x86, design v5, fast): 2 passed, 0 failed, 0 skipped; 1 behind a shut gate, failing as they must',
      '3 passed, 2 failed, 2 skipped',
    ]);
  });

  it('are one line where nothing ran', () => {
    expect(summary({ testResults: [] })).toEqual(['0 passed, 0 failed, 0 skipped']);
  });
});
