import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isBuilt, setBuilt, sourcesHash } from '../src/stamp.mjs';

describe('a build', () => {
  const root = mkdtempSync(join(tmpdir(), 'mmun-stamp-'));
  const stamp = join(root, 'cache/stamp.json');
  const file = join(root, 'packages/a/dist/index.js');
  beforeAll(() => {
    mkdirSync(join(root, 'packages/a/dist'), { recursive: true });
    writeFileSync(join(root, 'packages/a/package.json'), '{ "name": "@mmun/a" }');
    writeFileSync(file, '');
  });
  afterAll(() => rmSync(root, { recursive: true }));

  it('is done again for other sources, for output that was touched, and for output that is gone', () => {
    expect(isBuilt('one', false, stamp, root)).toBe(false);
    setBuilt('one', false, stamp, root);
    expect([isBuilt('one', false, stamp, root), isBuilt('two', false, stamp, root)]).toEqual([true, false]);
    utimesSync(file, 1, 1);
    expect(isBuilt('one', false, stamp, root)).toBe(false);
    setBuilt('one', false, stamp, root);
    rmSync(file);
    expect(isBuilt('one', false, stamp, root)).toBe(false);
  });

  it('is done again where the last was a quick one and this is not', () => {
    for (const isQuick of [true, false]) {
      setBuilt('one', isQuick, stamp, root);
      expect([isBuilt('one', true, stamp, root), isBuilt('one', false, stamp, root)]).toEqual([true, !isQuick]);
    }
  });

  it('knows its sources by what they say', () => expect(sourcesHash()).toBe(sourcesHash()));
});
