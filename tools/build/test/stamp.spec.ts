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
    expect(isBuilt('one', stamp, root)).toBe(false);
    setBuilt('one', stamp, root);
    expect([isBuilt('one', stamp, root), isBuilt('two', stamp, root)]).toEqual([true, false]);
    utimesSync(file, 1, 1);
    expect(isBuilt('one', stamp, root)).toBe(false);
    setBuilt('one', stamp, root);
    rmSync(file);
    expect(isBuilt('one', stamp, root)).toBe(false);
  });

  it('knows its sources by what they say', () => expect(sourcesHash()).toBe(sourcesHash()));
});
