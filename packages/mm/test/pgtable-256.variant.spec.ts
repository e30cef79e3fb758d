/** s390's tables of 2.6.25: 256 ptes, two tables of one mm in a page, and one lock for both. On every other image each test must fail. */
import * as asm from '#asm';
import * as image from '@mmun/image';
import { ENOMEM, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { Mm, TaskStruct, Vaddr } from '@mmun/include';
import { gate } from '@mmun/test-support';

type Machine = ReturnType<typeof image.boot>;

const halves = gate('S390_PGTABLE_256');
const MB = 0x100000;
const A = 0x40000000;

interface Megabytes {
  readonly m: Machine;
  /** One page of its own at the start of a range. @returns 0 or a fault's code */
  fill(megabyte: number): number;
  unmap(megabyte: number): void;
  /** The page that the range's table lies in, which is whose lock it has, and the table's place there. */
  table(megabyte: number): readonly [page: number, part: number];
  fork(): TaskStruct;
}

function megabytes(nrTables = 32): Megabytes {
  const base = image.defaultConfig;
  const m = image.boot({
    ...base, nrFrames: 64, nrTables, nrVmas: 64, nrAnonVmas: 64, nrAnonVmaChains: 64, nrTasks: 4, nrMms: 4, nrInodes: 4, nrFiles: 4,
    settings: { ...base.settings, splitPtlockCpus: 1, transparentHugepage: 'never' },
  });
  image.setCurrent(m, image.newProcess(m));
  const mm = (): Mm => image.mmOf(m, image.getCurrent(m));
  const at = (megabyte: number): Vaddr => (A + megabyte * MB) as Vaddr;
  return {
    m,
    fill: (megabyte) => {
      expect(image.run(m, image.sysMmap(m, at(megabyte), PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0 as never, 0))).toBe(at(megabyte));
      return image.run(m, image.userWrite(m, at(megabyte), megabyte + 1));
    },
    unmap: (megabyte) => { expect(image.run(m, image.sysMunmap(m, at(megabyte), PAGE_SIZE))).toBe(0); },
    table: (megabyte) => {
      const pmdp = asm.pmdOffset(m, asm.pudOffset(m, asm.pgdOffset(m, mm(), at(megabyte)), at(megabyte)), at(megabyte));
      expect(asm.pmdNone(m, pmdp)).toBe(false);
      const page = asm.pmdPage(m, pmdp);
      return [page, asm.pmdPgtable(m, pmdp) - 2 * page];
    },
    fork: () => image.run(m, image.sysClone(m, 0)) as TaskStruct,
  };
}

const used = ({ m }: Megabytes): number => m.tablePool.head.used[0];
const consistent = ({ m }: Megabytes): void => { expect(image.checkMachine(m)).toEqual([]); };

halves.it('two ranges that have nothing to do with each other share a page of tables, and its lock', () => {
  const t = megabytes();
  const before = used(t);
  for (const megabyte of [0, 9, 4]) expect(t.fill(megabyte)).toBe(0);
  const [page] = t.table(0);
  expect([t.table(0), t.table(9), t.table(4)]).toEqual([[page, 0], [page, 1], [expect.any(Number), 0]]);
  expect(t.table(4)[0]).not.toBe(page);
  expect(used(t) - before).toBe(3); // a table of pmds, two pages of ptes
  consistent(t);
});

halves.it('two mms never share one', () => {
  const t = megabytes();
  t.fill(0);
  const child = t.fork();
  const [ours] = t.table(0);
  image.setCurrent(t.m, child);
  t.fill(1);
  expect([t.table(0)[0] === ours, t.table(1)]).toEqual([false, [t.table(0)[0], 1]]);
  consistent(t);
});

halves.it('a half that is freed is the next to be handed out, and the page goes with its last half', () => {
  const t = megabytes();
  for (const megabyte of [0, 1, 2, 3]) t.fill(megabyte);
  const [first] = t.table(0);
  const full = used(t);
  t.unmap(0);
  expect(used(t)).toBe(full);
  t.fill(7);
  expect([t.table(7), used(t)]).toEqual([[first, 0], full]);
  t.unmap(7);
  t.unmap(1);
  expect(used(t)).toBe(full - 1);
  consistent(t);
  for (const megabyte of [2, 3]) t.unmap(megabyte);
  expect(used(t)).toBe(full - 3);
  consistent(t);
});

halves.it('mremap between two halves of a page takes their one lock once', () => {
  const t = megabytes();
  for (const megabyte of [0, 1, 2]) t.fill(megabyte);
  const [page] = t.table(0);
  expect([t.table(0), t.table(1)]).toEqual([[page, 0], [page, 1]]);
  for (const to of [1, 2]) {
    const from = (A + (to - 1) * MB) as Vaddr;
    const place = (A + to * MB + PAGE_SIZE) as Vaddr;
    expect(image.run(t.m, image.sysMremap(t.m, from, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, place))).toBe(place);
    expect(image.run(t.m, image.userRead(t.m, place))).toBe(to);
  }
  consistent(t);
});

halves.it('out of table pages: the second half is still there, and then a fault fails and all adds up', () => {
  const t = megabytes(4); // top level, pmds, two pages of ptes
  const results = [0, 1, 2, 3, 4].map((megabyte) => t.fill(megabyte));
  expect(results.map((result) => result === 0)).toEqual([true, true, true, true, false]);
  consistent(t);
  t.unmap(2);
  expect(image.run(t.m, image.userWrite(t.m, (A + 4 * MB) as Vaddr, 9))).toBe(0);
  expect(image.run(t.m, image.sysClone(t.m, 0))).toBe(-ENOMEM);
  consistent(t);
});
