import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { summary } from '../src/jest-reporter.mjs';

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
