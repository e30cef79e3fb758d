import { ENOMEM, ESRCH, PAGE_SIZE, READ } from '@mmun/include';
import type { KernelServices, MaySleep, Mm, MmuNotifier, MmuNotifierOps, Pfn, SecondaryDriver, SecondaryMmu, Step, Table, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';

/** What is wrong with a sample; nothing is right. */
export interface Flaws {
  /** Ops that do nothing. */
  readonly deaf?: readonly (keyof MmuNotifierOps)[];
  /** Entries allow writes whatever the pte says. */
  readonly isGenerous?: boolean;
  /** Promises an op that it does not bring. */
  readonly isHollow?: boolean;
  readonly entries?: number;
}

const entrySpec = { mm: 'u32', address: 'f64', pfn: 'u32', isWritable: 'u8' } as const;
const oneSpec = { mm: 'u32', mn: 'u32', used: 'u32', invalidations: 'f64' } as const;

/** The smallest secondary MMU: one mm, a list of entries, each used once. */
export function sample(flaws: Flaws = {}): SecondaryMmu {
  const rows = flaws.entries ?? 64;
  return {
    name: 'sample',
    designs: { v5: ['release', 'invalidatePage', 'invalidatePages'] },
    tables: () => ({ entry: { rows, spec: entrySpec }, one: { rows: 2, spec: oneSpec } }),
    attach: (s) => driverOf(s, s.table('entry', entrySpec), s.table('one', oneSpec), flaws),
  };
}

type Entries = Table<typeof entrySpec>;

function driverOf(s: KernelServices, entry: Entries, one: Table<typeof oneSpec>, flaws: Flaws): SecondaryDriver {
  const find = (address: number): number => {
    const page = Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
    for (let row = 1; row < entry.mm.length; row++) if (entry.mm[row] !== 0 && entry.address[row] === page) return row;
    return 0;
  };
  const drop = (start: number, end: number): void => {
    for (let row = 1; row < entry.mm.length; row++) {
      if (entry.mm[row] === 0 || entry.address[row] < start || entry.address[row] >= end) continue;
      entry.mm[row] = 0;
      one.invalidations[0] += 1;
    }
  };
  function* install(_cookie: number, address: Vaddr, pfn: Pfn, isWritable: boolean): Task<UnderPteLock, number> {
    const page = Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
    const row = find(page) || entry.mm.indexOf(0, 1);
    if (row < 1) return -ENOMEM;
    entry.mm[row] = one.mm[1];
    entry.address[row] = page;
    entry.pfn[row] = pfn;
    entry.isWritable[row] = isWritable || flaws.isGenerous === true ? 1 : 0;
    return 0;
  }
  return {
    ops: opsOf(flaws, drop),
    * create(mm: Mm): Task<MaySleep, number> {
      if (one.used[1] !== 0) return -ENOMEM;
      if (!(yield* s.mmgetNotZero(mm))) return -ESRCH;
      const mn = s.mmuNotifierAlloc(1);
      one.used[1] = 1;
      one.mm[1] = mm;
      one.mn[1] = mn;
      yield* s.mmgrab(mm);
      yield* s.mmuNotifierRegister(mn, mm);
      yield* s.mmput(mm);
      return 1;
    },
    * destroy(): Task<MaySleep> {
      one.used[1] = 0;
      entry.mm.fill(0);
      yield* s.mmdrop(one.mm[1] as Mm);
    },
    * fault(_instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      return yield* s.withPte(one.mm[1] as Mm, address, isWrite, install, 0);
    },
    * access(_instance: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> {
      yield* s.step(READ, whereOf(entry.pfn, 0));
      const row = find(address);
      return (row === 0 || (isWrite && entry.isWritable[row] === 0) ? 0 : entry.pfn[row]) as Pfn;
    },
    audit: (visit) => {
      for (let row = 1; row < entry.mm.length; row++) {
        if (entry.mm[row] !== 0) visit(1, entry.mm[row] as Mm, entry.address[row] as Vaddr, entry.pfn[row] as Pfn, entry.isWritable[row] === 1);
      }
    },
    counters: () => ({ faults: 0, accesses: 0, hits: 0, invalidations: one.invalidations[0], pins: 0 }),
  };
}

function opsOf({ deaf = [], isHollow = false }: Flaws, drop: (start: number, end: number) => void): MmuNotifierOps {
  const ops: MmuNotifierOps = {
    * release(): Task<MaySleep> {
      if (!deaf.includes('release')) drop(0, Infinity);
    },
    * invalidatePage(_mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
      if (!deaf.includes('invalidatePage')) drop(address, address + PAGE_SIZE);
    },
    * invalidatePages(_mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock> {
      if (!deaf.includes('invalidatePages')) drop(start, end);
    },
  };
  if (isHollow) delete ops.invalidatePages;
  return ops;
}
