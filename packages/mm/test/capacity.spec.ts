/**
 * Every table of a machine is finite. Whoever fills one is refused as Linux refuses where memory is out, the machine adds up
 * afterwards, and when room is made the same call succeeds.
 */
import * as image from '@mmun/image';
import { CLONE_VM, EAGAIN, EFAULT, ENOMEM, MADV_DONTNEED, MAP_SHARED, MREMAP_MAYMOVE, PAGE_SIZE, PROT_READ, VM_FAULT_OOM } from '@mmun/include';
import type { TaskStruct, Vaddr } from '@mmun/include';
import { addNotifierOps, mmuNotifierAlloc, mmuNotifierFree } from '#mmu-notifier';
import { gate } from '@mmun/test-support';
import { world } from './page-world.js';
import type { Config, World } from './page-world.js';

const P = PAGE_SIZE;
/** Far enough apart that each needs page tables of its own, at every arch. */
const FAR = 2 ** 32;

interface Table {
  readonly name: string;
  readonly config: Config;
  /** Asks for one more; below 0, or a VM_FAULT_OOM, is a refusal. */
  readonly take: (w: World, i: number) => number;
  readonly refusal: number;
  /** Makes room for one. */
  readonly give: (w: World, last: number) => void;
}

const fork = (w: World): number => w.run<number>(image.sysClone(w.m, 0));
const exit = (w: World, task: number): void => w.as(task as TaskStruct, () => void w.run(image.sysExit(w.m)));
const mmap = (w: World, i: number, pages = 1, prot = 3): number => w.run<number>(image.sysMmap(w.m, (0x40000000 + i * 2 * P) as Vaddr, pages * P, prot, 0x32, 0 as never, 0));
const munmap = (w: World, at: number): void => void w.run(image.sysMunmap(w.m, at as Vaddr, P));

const TABLES: readonly Table[] = [
  { name: 'address spaces', config: { nrMms: 3 }, take: fork, refusal: -ENOMEM, give: exit },
  { name: 'threads', config: { nrTasks: 4 }, take: (w) => w.run<number>(image.sysClone(w.m, CLONE_VM)), refusal: -EAGAIN, give: exit },
  { name: 'VMAs', config: { nrVmas: 8 }, take: (w, i) => mmap(w, i), refusal: -ENOMEM, give: munmap },
  { name: 'VMAs, in fork', config: { nrVmas: 7 }, take: fork, refusal: -ENOMEM, give: exit },
  {
    name: 'anon_vmas', config: { nrAnonVmas: 4 }, refusal: VM_FAULT_OOM, give: munmap,
    take: (w, i) => (mmap(w, i), w.fault(0x40000000 + i * 2 * P) || 0x40000000 + i * 2 * P),
  },
  { name: 'anon_vmas, in fork', config: { nrAnonVmas: 3 }, take: fork, refusal: -ENOMEM, give: exit },
  { name: 'chains of anon_vmas, in fork', config: { nrAnonVmaChains: 6 }, take: fork, refusal: -ENOMEM, give: exit },
  {
    name: 'frames', config: { nrFrames: 12 }, refusal: VM_FAULT_OOM,
    take: (w, i) => (i === 0 ? mmap(w, 0, 64) : 0, w.fault(0x40000000 + i * P) || 0x40000000 + i * P),
    give: (w, last) => void w.run(image.sysMadvise(w.m, last as Vaddr, P, MADV_DONTNEED)),
  },
  {
    name: 'frames and swap slots', config: { nrFrames: 12, nrSwapSlots: 6 }, refusal: VM_FAULT_OOM,
    take: (w, i) => (i === 0 ? mmap(w, 0, 64) : 0, w.fault(0x40000000 + i * P) || 0x40000000 + i * P),
    give: (w, last) => void w.run(image.sysMadvise(w.m, last as Vaddr, P, MADV_DONTNEED)),
  },
  {
    name: 'page tables', config: { nrTables: 14 }, refusal: VM_FAULT_OOM, give: munmap,
    take: (w, i) => {
      const at = (i + 1) * FAR;
      w.run(image.sysMmap(w.m, at as Vaddr, P, PROT_READ, 0x32, 0 as never, 0));
      const fault = w.fault(at, 4);
      if (fault !== 0) munmap(w, at);
      return fault || at;
    },
  },
  { name: 'page tables, in fork', config: { nrTables: 14 }, take: fork, refusal: -ENOMEM, give: exit },
];

/** Takes until it is refused. @returns what the last one that succeeded got, and the refusal */
function fill(w: World, { take, refusal }: Table): { last: number; refused: number; taken: number } {
  let last = 0;
  for (let i = 0; i < 200; i++) {
    const got = take(w, i);
    if (got < 0 || got === refusal) return { last, refused: got, taken: i };
    last = got;
  }
  throw new Error('never full');
}

describe('a full table of', () => {
  for (const table of TABLES) {
    it(`${table.name} is a refusal, the machine adds up, and it takes one more when one has gone`, () => {
      const w = world(table.config);
      const { last, refused, taken } = fill(w, table);
      expect([refused, taken > 0]).toEqual([table.refusal, true]);
      expect(image.checkMachine(w.m)).toEqual([]);
      table.give(w, last);
      expect(image.checkMachine(w.m)).toEqual([]);
      const again = table.take(w, taken);
      expect([again > 0, again === table.refusal]).toEqual([true, false]);
      expect(image.checkMachine(w.m)).toEqual([]);
      w.run(image.sysExit(w.m));
      expect(image.checkMachine(w.m)).toEqual([]);
    });
  }

  it('inodes and files is answered with 0', () => {
    const w = world({ nrInodes: 2, nrFiles: 2 });
    const inodes = [1, 2, 3].map((ino) => image.newInode(w.m, { path: `/${ino}`, kind: 'regular', major: 8, minor: 1, ino, size: P, thpAligned: false }));
    const files = [1, 2, 3].map(() => image.filpOpen(w.m, inodes[0], { isReadable: true, isWritable: true }));
    expect([inodes[2], files[2], image.checkMachine(w.m)]).toEqual([0, 0, []]);
    expect(w.run<number>(image.sysMmap(w.m, 0 as Vaddr, P, 3, MAP_SHARED, files[0] as never, 0))).toBeGreaterThan(0);
  });

  gate('MMU_NOTIFIER').it('notifiers is answered with 0', () => {
    const w = world({ nrNotifiers: 2 });
    const ops = addNotifierOps(w.m, {});
    const [first, second, third] = [1, 2, 3].map((instance) => mmuNotifierAlloc(w.m, ops, instance));
    expect([first, second, third].map((mn) => mn !== 0)).toEqual([true, true, false]);
    mmuNotifierFree(w.m, second as never);
    expect(mmuNotifierAlloc(w.m, ops, 3)).toBe(second);
  });

  it('VMAs lets no call that splits or moves one leave it half done', () => {
    const w = world({ nrVmas: 6 });
    const a = mmap(w, 0, 9);
    for (let i = 0; i < 9; i++) w.write(a + i * P, i + 1);
    for (let i = 20; mmap(w, i) > 0; i++);
    const calls = [
      (): number => w.run(image.sysMprotect(w.m, (a + 3 * P) as Vaddr, P, PROT_READ)),
      (): number => w.run(image.sysMunmap(w.m, (a + 3 * P) as Vaddr, P)),
      (): number => w.run(image.sysMadvise(w.m, (a + 3 * P) as Vaddr, P, 10)),
      (): number => w.run(image.sysMlock(w.m, (a + 3 * P) as Vaddr, P)),
      (): number => w.run(image.sysMremap(w.m, (a + 3 * P) as Vaddr, P, 4 * P, MREMAP_MAYMOVE, 0 as Vaddr)),
    ];
    for (const call of calls) {
      expect([-ENOMEM, -EAGAIN]).toContain(call());
      expect(image.checkMachine(w.m)).toEqual([]);
    }
    for (let i = 0; i < 9; i++) expect(w.read(a + i * P)).toBe(i + 1);
    expect(w.read(0x1000)).toBe(-EFAULT);
  });

  gate('CHECKED').it('frames costs each who is refused a look at the oldest pages, not at all of them, until something is freed', () => {
    const NR = 400;
    const w = world({ nrFrames: NR, nrSwapSlots: 8 });
    const a = mmap(w, 0, 2 * NR);
    let next = 0;
    while (w.fault(a + next * P) === 0) next++;
    w.fault(a + next * P);
    const pointsOfFault = (): number => {
      let points = 0;
      const inner = w.m.sched;
      w.m.sched = { ...inner, point: (kind, where) => (points++, inner.point(kind, where)), until: (kind, where, mask, value) => (points++, inner.until(kind, where, mask, value)) };
      const fault = w.fault(a + next * P);
      w.m.sched = inner;
      expect(fault).toBe(VM_FAULT_OOM);
      return points;
    };
    const points = pointsOfFault();
    expect([points > 0, points < NR]).toEqual([true, true]);
    w.run(image.sysMadvise(w.m, a as Vaddr, 2 * P, MADV_DONTNEED));
    expect(w.fault(a + next * P)).toBe(0);
    expect(image.checkMachine(w.m)).toEqual([]);
  });
});
