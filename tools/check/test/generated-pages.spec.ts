// The pages of docs/ that are generated: xref is made again here; lock-order in full effort, and by a gate of `npm run check`.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@mmun/build/workspace';
import { effort } from '@mmun/test-support';
import { callerIn } from '../src/lock-order.mjs';
import { placeOf } from '../src/xref.mjs';
import { textOf } from './doc-blocks.js';

/** @returns exit code and the last line of what was printed */
function generator(name: string): readonly [number | null, string | undefined] {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`tools/check/src/${name}.mjs`], { cwd: ROOT, encoding: 'utf8' });
  return [status, `${stdout}${stderr}`.trim().split('\n').at(-1)];
}

const rowsOf = (page: string): string[][] => textOf(page).split('\n').filter((line) => line.startsWith('| `')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim().replaceAll('`', '')));

it('docs/xref.md is what the sources say', () => expect(generator('xref')).toEqual([0, 'docs/xref.md is what the tree says']));

if (effort(0, 1) === 1) it('docs/lock-order.md is what the catalogue shows', () => expect(generator('lock-order')).toEqual([0, 'docs/lock-order.md is what the tree says']));

it('a caller is found wherever the clone is', () => {
  const at = (clone: string): string => `Error\n    at callerOf (${clone}/tools/check/src/lock-order.mjs:90:3)\n    at spinLock (${clone}/packages/locking/src/spinlock.ts:9:1)\n    at zapPteRange (${clone}/packages/mm/src/memory.ts:1:2)`;
  for (const clone of ['/home/a', '/srv/services/check', '/opt/locking/oracle']) expect(callerIn(at(clone))).toBe('zap_pte_range');
});

describe('docs/lock-order.md', () => {
  const rows = rowsOf('docs/lock-order.md');
  const order = rows.filter((row) => row.length === 3).map(([lock]) => lock as string);
  const seen = rows.filter((row) => row.length === 5);

  it('has no circle: what is waited for stands below what is held', () => {
    expect(seen.length).toBeGreaterThan(20);
    const wrong = seen.filter(([held, taken]) => taken !== 'a second one' && order.indexOf(held as string) >= order.indexOf(taken as string));
    expect(wrong).toEqual([]);
  });

  it('has the order of mm/rmap.c that every mm programmer knows', () => {
    const known = ['mm.mmap_sem', 'page.flags', 'inode.i_mmap_lock', 'anon_vma.lock', 'page.ptl'];
    expect(order.filter((lock) => known.includes(lock))).toEqual(known);
  });
});

it('docs/xref.md names functions that are there', () => {
  const rows = rowsOf('docs/xref.md');
  expect(rows.length).toBeGreaterThan(400);
  for (const [symbol, , , name, file] of rows.slice(0, effort(40, rows.length))) {
    const [folder = '', ...path] = (file as string).split('/');
    expect([symbol, readFileSync(join(ROOT, 'packages', folder, 'src', ...path), 'utf8')]).toEqual([symbol, expect.stringMatching(new RegExp(`\\b${name as string}\\b`))]);
  }
});

describe('the place of a kernel symbol', () => {
  const moved = [{ file: 'mm/mmap.c', spans: ['2.6.34..6.0'] }, { file: 'mm/vma.c', spans: ['6.18'] }];
  const perArch = [{ file: 'include/asm-s390/pgtable.h', spans: ['2.6.24..2.6.26'] }, { file: 'include/asm-x86/pgtable_64.h', spans: ['2.6.24'] }];

  it('is where those versions have it that our file models, whatever file that is named after', () => {
    expect(placeOf(moved, { files: 'mm/rmap.c', version: '2.6.34, 6.18' }, false)).toEqual({ kernelFile: 'mm/mmap.c, mm/vma.c', version: '2.6.34, 6.18' });
    expect(placeOf(moved, { files: 'mm/vma.c', version: '6.18' }, false)).toEqual({ kernelFile: 'mm/vma.c', version: '6.18' });
    expect(placeOf(moved, { files: 'mm/rmap.c', version: '4.12' }, false)).toEqual({ kernelFile: 'mm/mmap.c', version: '4.12' });
  });

  it('is that of the architecture', () => {
    expect(placeOf(perArch, { files: 'include/asm-generic/pgtable.h', version: '2.6.24' }, true)).toEqual({ kernelFile: 'include/asm-s390/pgtable.h', version: '2.6.24' });
    expect(placeOf(perArch, { files: 'include/asm-generic/pgtable.h', version: '2.6.24' }, false)).toEqual({ kernelFile: 'include/asm-x86/pgtable_64.h', version: '2.6.24' });
  });

  it('is a span of other versions where those that our file models lack it; #v5 has what its base has', () => {
    expect(placeOf(moved, { files: 'mm/rmap.c', version: '2.6.24' }, false)).toEqual({ kernelFile: 'mm/mmap.c', version: '2.6.34..6.0' });
    expect(placeOf(perArch, { files: 'include/asm-s390/pgtable.h', version: 'v5' }, true)).toEqual({ kernelFile: 'include/asm-s390/pgtable.h', version: 'v5' });
  });
});
