/**
 * The conformance kit of an arch, after mm/debug_vm_pgtable.c: what mm assumes of page tables, asked of the arch that is
 * linked. A new arch's main test is `debugVmPgtable(asm)`.
 */
import { PAGE_SIZE, PF_PROT, PF_USER, PF_WRITE, TABLE_PGD, TABLE_PMD, TABLE_PTE, TABLE_PUD, VM_EXEC, VM_READ, VM_SHARED, VM_WRITE } from '@mmun/include';
import type { AsmPgtable, Design, Mm, MmuNotifierOps, Pfn, Pgprot, Pgtable, Pmdp, Pte, Ptep, Task, UnderPteLock, Vaddr, Vma } from '@mmun/include';
import { allocate, newLayout } from '@mmun/lib';
import { reserveLocking, run, runToCompletion, viewLocking } from '@mmun/locking';
import type { LockingMachine } from '@mmun/locking';
import { DESIGN, addNotifierOps, mmuNotifierAlloc, mmuNotifierRegister, reserveNotifier, viewNotifier } from '#mmu-notifier';
import type * as linked from '#asm';

type Arch = typeof linked;
type Machine = linked.ArchMachine;

const MM = 1 as Mm;
const VMA = 1 as Vma;
const NR_FRAMES = 16;
const NR_TABLES = 8;
const CPUS = 2;
const PFNS = [1, 7, NR_FRAMES] as Pfn[];
const FLAGS: readonly number[] = Array.from({ length: 16 }, (_, i) => i).filter((flags) => (flags & ~(VM_READ | VM_WRITE | VM_EXEC | VM_SHARED)) === 0);

/** What a notifier saw when it was called. */
export interface Hook {
  readonly op: 'invalidatePage' | 'invalidatePages' | 'agePage';
  readonly isSlotNone: boolean;
  readonly cachedOn: readonly number[];
}

export interface PageTable {
  readonly asm: Arch;
  readonly m: Machine;
  readonly address: Vaddr;
  readonly ptep: Ptep;
  readonly hooks: Hook[];
  run<R>(task: Task<string, R> | R): R;
  /** The CPU translates `address`, and the instruction is over. */
  access(cpu: number, isWrite: boolean): number;
}

/** Two CPUs with TLBs, one mm, and the tables that lead to one address. @param agePageResult what the notifier answers */
export function pageTable(asm: Arch, agePageResult = 0): PageTable {
  const layout = newLayout();
  const config = { nrCpus: CPUS, nrFrames: NR_FRAMES, nrTables: NR_TABLES, tlbEntries: 4, nrTasks: 2, nrMms: 2, nrNotifiers: 2 };
  const locking = reserveLocking(layout, config);
  const arch = asm.reserveArch(layout, config);
  const notifier = reserveNotifier(layout, config);
  const buffer = allocate(layout);
  const m: Machine = {
    ...viewLocking(buffer, layout, locking, runToCompletion((): LockingMachine => m)),
    ...asm.viewArch(buffer, arch), ...viewNotifier(buffer, notifier),
    mm: { pgd: new Uint32Array(2), mmUsers: Int32Array.of(0, 2) }, task: { mm: new Uint32Array(3) }, vma: { vmMm: Uint32Array.of(0, MM) },
  };
  const address = (asm.PMD_SIZE + PAGE_SIZE) as Vaddr;
  const ptep = makeTables(asm, m, address);
  const hooks: Hook[] = [];
  const table: PageTable = {
    asm, m, address, ptep, hooks,
    run: (task) => run(m, task),
    access: (cpu, isWrite) => {
      const result = run(m, asm.hwAccess(m, cpu, MM, address, isWrite));
      if (result > 0) run(m, asm.hwRetire(m, cpu));
      return result;
    },
  };
  const ops = addNotifierOps(m, recordingOps(table, agePageResult));
  run(m, mmuNotifierRegister(m, mmuNotifierAlloc(m, ops, 1), MM));
  return table;
}

function makeTables(asm: Arch, m: Machine, address: Vaddr): Ptep {
  let table = NR_FRAMES as number;
  const next = (level: Parameters<Arch['tableInit']>[2]): Pfn => {
    asm.tableInit(m, ++table as Pfn, level);
    return table as Pfn;
  };
  m.mm.pgd[MM] = next(TABLE_PGD);
  const pgdp = asm.pgdOffset(m, MM, address);
  if (asm.pgdNone(m, pgdp)) run(m, asm.pgdPopulate(m, pgdp, next(TABLE_PUD)));
  const pudp = asm.pudOffset(m, pgdp, address);
  if (asm.pudNone(m, pudp)) run(m, asm.pudPopulate(m, pudp, next(TABLE_PMD)));
  const pmdp = asm.pmdOffset(m, pudp, address);
  expect(asm.pmdNone(m, pmdp)).toBe(true);
  expect(asm.walkPte(m, MM, address)).toBe(0);
  run(m, asm.pmdPopulate(m, pmdp, (next(TABLE_PTE) * asm.PGTABLES_PER_PAGE) as Pgtable));
  expect(asm.pmdPage(m, pmdp)).toBe(table);
  expect(asm.pmdIsEmpty(m, pmdp)).toBe(true);
  return asm.pteOffset(m, pmdp, address);
}

function recordingOps(table: PageTable, agePageResult: number): MmuNotifierOps {
  const see = (op: Hook['op']): void => {
    const { asm, m, ptep, hooks } = table;
    const cachedOn = [...m.tlb.state].flatMap((state, entry) => (state === 0 ? [] : [Math.floor(entry / m.tlb.entriesPerCpu)]));
    hooks.push({ op, isSlotNone: asm.ptepNone(m, ptep), cachedOn });
  };
  return {
    *invalidatePage(): Task<UnderPteLock> { see('invalidatePage'); },
    *invalidatePages(): Task<UnderPteLock> { see('invalidatePages'); },
    *agePage(): Task<UnderPteLock, number> {
      see('agePage');
      return agePageResult;
    },
  };
}

/** A young, written pte of a shared writable mapping. */
export function writable(asm: Arch, pfn: Pfn = 3 as Pfn): Pte {
  return asm.pteMkyoung(asm.pteMkdirty(asm.pfnPte(pfn, asm.vmGetPageProt(VM_READ | VM_WRITE | VM_SHARED))));
}

export const HOOK_OPS = [
  'setPteAt', 'pteClear', 'pteClearNotPresentFull', 'ptepGetAndClear', 'ptepGetAndClearFull', 'ptepSetWrprotect', 'ptepSetAccessFlags',
  'ptepTestAndClearYoung', 'ptepClearFlush', 'ptepClearFlushYoung', 'ptepModifyRange', 'ptepMoveRange', 'ptepCopy',
] as const;

/**
 * Runs one operation on a slot that holds a young, written pte which both CPUs have cached.
 * @param users of the mm, one of whom is the thread that runs it @returns the hooks it called
 */
export function hooksOf(asm: Arch, op: (typeof HOOK_OPS)[number], users = 2): readonly Hook[] {
  const t = pageTable(asm);
  t.m.mm.mmUsers[MM] = users;
  t.m.task.mm.fill(MM);
  const { m, address, ptep } = t;
  const pte = writable(asm);
  t.run(asm.setPteAt(m, MM, address, ptep, pte));
  for (let cpu = 0; cpu < CPUS; cpu++) t.access(cpu, true);
  switch (op) {
    case 'setPteAt': t.run(asm.setPteAt(m, MM, address, ptep, pte)); break;
    case 'pteClear': t.run(asm.pteClear(m, MM, address, ptep)); break;
    case 'pteClearNotPresentFull': t.run(asm.pteClearNotPresentFull(m, MM, address, ptep, true)); break;
    case 'ptepGetAndClear': t.run(asm.ptepGetAndClear(m, MM, address, ptep)); break;
    case 'ptepGetAndClearFull': t.run(asm.ptepGetAndClearFull(m, MM, address, ptep, true)); break;
    case 'ptepSetWrprotect': t.run(asm.ptepSetWrprotect(m, MM, address, ptep)); break;
    case 'ptepSetAccessFlags': t.run(asm.ptepSetAccessFlags(m, VMA, address, ptep, asm.pteMkclean(pte), true)); break;
    case 'ptepTestAndClearYoung': t.run(asm.ptepTestAndClearYoung(m, VMA, address, ptep)); break;
    case 'ptepClearFlush': t.run(asm.ptepClearFlush(m, VMA, address, ptep)); break;
    case 'ptepClearFlushYoung': t.run(asm.ptepClearFlushYoung(m, VMA, address, ptep)); break;
    case 'ptepModifyRange': t.run(asm.ptepModifyRange(m, MM, address, ptep, 1, asm.vmGetPageProt(VM_READ))); break;
    case 'ptepMoveRange': t.run(asm.ptepMoveRange(m, VMA, address, ptep, (address + PAGE_SIZE) as Vaddr, (ptep + 1) as Ptep, 1)); break;
    case 'ptepCopy': t.run(asm.ptepCopy(m, MM, address, (ptep + 1) as Ptep, ptep, asm.ptepFlags(m, ptep))); break;
  }
  return t.hooks;
}

/** Declares the tests. */
export function debugVmPgtable(asm: Arch): void {
  const _whole: AsmPgtable<Machine> = asm;
  describe(`${asm.ARCH}: pte values`, () => valueTests(asm));
  describe(`${asm.ARCH}: levels`, () => levelTests(asm));
  describe(`${asm.ARCH}: pte slots`, () => slotTests(asm));
  describe(`${asm.ARCH}: the hardware's part`, () => hardwareTests(asm));
  describe(`${asm.ARCH}: huge entries`, () => hugeTests(asm));
  void _whole;
}

function valueTests(asm: Arch): void {
  type Is = (what: string, got: unknown, wanted: unknown) => void;
  /** Thousands of comparisons are one expectation: what was not as wanted. */
  const each = (body: (is: Is, pte: Pte, pfn: Pfn, flags: number) => void): void => {
    const wrong: string[] = [];
    for (const pfn of [...PFNS, 0xfffff as Pfn, 0x100001 as Pfn]) {
      for (const flags of FLAGS) {
        const is: Is = (what, got, wanted) => { if (got !== wanted) wrong.push(`${what} is ${String(got)}, expected ${String(wanted)}: frame ${pfn}, flags ${flags}`); };
        body(is, asm.pfnPte(pfn, asm.vmGetPageProt(flags)), pfn, flags);
      }
    }
    expect(wrong).toEqual([]);
  };
  const keeps = (is: Is, before: Pte, after: Pte): void => {
    is('frame', asm.ptePfn(after), asm.ptePfn(before));
    is('present', asm.ptePresent(after), asm.ptePresent(before));
  };

  it('a pte holds its frame and is present whatever its protection', () => each((is, pte, pfn) => {
    is('frame', asm.ptePfn(pte), pfn);
    is('present', asm.ptePresent(pte), true);
    is('none', asm.pteNone(pte), false);
    is('same', asm.pteSame(pte, pte), true);
  }));
  it('nothing is none', () => {
    expect(asm.pteNone(asm.ptepGet(pageTable(asm).m, pageTable(asm).ptep))).toBe(true);
  });
  it('only shared writable memory is writable at once', () => each((is, pte, _pfn, flags) => {
    is('writable', asm.pteWrite(pte), (flags & (VM_WRITE | VM_SHARED)) === (VM_WRITE | VM_SHARED));
  }));
  it('write, dirty and young are set and taken back one by one', () => each((is, pte) => {
    const pairs = [[asm.pteMkwrite, asm.pteWrprotect, asm.pteWrite], [asm.pteMkdirty, asm.pteMkclean, asm.pteDirty], [asm.pteMkyoung, asm.pteMkold, asm.pteYoung]] as const;
    for (const [set, clear, test] of pairs) {
      keeps(is, pte, set(pte));
      keeps(is, pte, clear(pte));
      is(test.name, test(clear(set(pte))), false);
      is(`${set.name} twice`, asm.pteSame(set(set(pte)), set(pte)), true);
      for (const [, , other] of pairs) if (other !== test) is(`${other.name} after ${set.name}`, other(set(pte)), other(pte));
    }
  }));
  it('pteModify takes the protection and keeps frame, accessed and dirty', () => each((is, pte) => {
    for (const flags of FLAGS) {
      const used = asm.pteMkdirty(asm.pteMkyoung(pte));
      const modified = asm.pteModify(used, asm.vmGetPageProt(flags));
      const wanted = asm.pteMkdirty(asm.pteMkyoung(asm.pfnPte(asm.ptePfn(pte), asm.vmGetPageProt(flags))));
      is('same', asm.pteSame(modified, wanted), true);
    }
  }));
}

function levelTests(asm: Arch): void {
  it('neighbouring pages have neighbouring slots, and a table ends at PMD_SIZE', () => {
    const { m, address, ptep } = pageTable(asm);
    expect(asm.walkPte(m, MM, address)).toBe(ptep);
    expect(asm.walkPte(m, MM, (address + PAGE_SIZE) as Vaddr)).toBe(ptep + 1);
    expect(asm.PMD_SIZE).toBe(asm.PTRS_PER_PTE * PAGE_SIZE);
    expect(asm.PUD_SIZE).toBe(asm.PTRS_PER_PMD * asm.PMD_SIZE);
    expect(asm.PGDIR_SIZE).toBe(asm.PTRS_PER_PUD * asm.PUD_SIZE);
    expect(2 ** asm.PMD_SHIFT).toBe(asm.PMD_SIZE);
    expect(2 ** asm.PUD_SHIFT).toBe(asm.PUD_SIZE);
    expect(2 ** asm.PGDIR_SHIFT).toBe(asm.PGDIR_SIZE);
    expect(asm.TASK_SIZE).toBeLessThanOrEqual(asm.PTRS_PER_PGD * asm.PGDIR_SIZE);
  });
  it('spans end at the next boundary, or where the range does', () => {
    const at = (asm.PMD_SIZE + PAGE_SIZE) as Vaddr;
    const far = asm.TASK_SIZE;
    expect(asm.pmdAddrEnd(at, far)).toBe(2 * asm.PMD_SIZE);
    expect(asm.pmdAddrEnd(at, (at + 1) as Vaddr)).toBe(at + 1);
    expect(asm.pmdAddrEnd(asm.PMD_SIZE as Vaddr, far)).toBe(2 * asm.PMD_SIZE);
    expect(asm.pgdAddrEnd(0 as Vaddr, far)).toBe(Math.min(asm.PGDIR_SIZE, far));
    expect(asm.pudAddrEnd(0 as Vaddr, far)).toBe(Math.min(asm.PUD_SIZE, far));
  });
  it('a pmd that is cleared is none, and the walk finds nothing', () => {
    const t = pageTable(asm);
    const { m, address } = t;
    const pmdp = asm.pmdOffset(m, asm.pudOffset(m, asm.pgdOffset(m, MM, address), address), address);
    t.run(asm.setPteAt(m, MM, address, t.ptep, writable(asm)));
    expect(asm.pmdIsEmpty(m, pmdp)).toBe(false);
    t.run(asm.pmdClear(m, pmdp));
    expect(asm.pmdNone(m, pmdp)).toBe(true);
    expect(asm.walkPte(m, MM, address)).toBe(0);
  });
}

function slotTests(asm: Arch): void {
  const filled = (pte: Pte): PageTable => {
    const t = pageTable(asm);
    t.run(asm.setPteAt(t.m, MM, t.address, t.ptep, pte));
    return t;
  };
  const readonly: Pgprot = asm.vmGetPageProt(VM_READ | VM_SHARED);

  it('what was stored is what is read, by value and by the plain reads', () => {
    for (const flags of FLAGS) {
      for (const pfn of PFNS) {
        const pte = asm.pfnPte(pfn, asm.vmGetPageProt(flags));
        const { m, ptep } = filled(pte);
        expect(asm.pteSame(asm.ptepGet(m, ptep), pte)).toBe(true);
        expect([asm.ptepNone(m, ptep), asm.ptepPresent(m, ptep), asm.ptepPfn(m, ptep)]).toEqual([false, true, pfn]);
        expect([asm.ptepNone(m, (ptep + 1) as Ptep), asm.ptepNone(m, (ptep - 1) as Ptep)]).toEqual([true, true]);
      }
    }
  });
  it('get and clear give the last value and leave none', () => {
    for (const op of [asm.ptepGetAndClear, (...[m, mm, a, p]: Parameters<typeof asm.ptepGetAndClear>) => asm.ptepGetAndClearFull(m, mm, a, p, true)]) {
      const t = filled(writable(asm));
      expect(asm.pteSame(t.run(op(t.m, MM, t.address, t.ptep)), writable(asm))).toBe(true);
      expect(asm.ptepNone(t.m, t.ptep)).toBe(true);
    }
  });
  it('write-protecting changes nothing else', () => {
    const t = filled(writable(asm));
    t.run(asm.ptepSetWrprotect(t.m, MM, t.address, t.ptep));
    expect(asm.pteSame(asm.ptepGet(t.m, t.ptep), asm.pteWrprotect(writable(asm)))).toBe(true);
  });
  it('clearing young says whether it was', () => {
    const young = filled(writable(asm));
    const wasYoung = asm.pteYoung(writable(asm)) ? 1 : 0;
    expect(young.run(asm.ptepTestAndClearYoung(young.m, VMA, young.address, young.ptep))).toBe(wasYoung);
    expect(young.run(asm.ptepTestAndClearYoung(young.m, VMA, young.address, young.ptep))).toBe(0);
    expect(asm.pteDirty(asm.ptepGet(young.m, young.ptep))).toBe(asm.pteDirty(writable(asm)));
  });
  it('a write fault makes the pte more permissive, and says so once', () => {
    const t = filled(asm.pfnPte(3 as Pfn, readonly));
    const entry = asm.pteMkwrite(asm.pteMkdirty(asm.pteMkyoung(asm.ptepGet(t.m, t.ptep))));
    expect(t.run(asm.ptepSetAccessFlags(t.m, VMA, t.address, t.ptep, entry, true))).toBe(true);
    expect(asm.pteWrite(asm.ptepGet(t.m, t.ptep))).toBe(true);
    expect(t.run(asm.ptepSetAccessFlags(t.m, VMA, t.address, t.ptep, entry, true))).toBe(false);
  });
  it('a copy differs from its original in the flags that were changed, and in nothing else', () => {
    for (const present of [asm.pfnPte(3 as Pfn, readonly), writable(asm), writable(asm, asm.ARCH === 'toy' ? (5 as Pfn) : (0x123456 as Pfn))]) {
      const t = filled(present);
      const copy = (t.ptep + 1) as Ptep;
      const flags = asm.ptepFlags(t.m, t.ptep);
      expect([asm.pteWrite(flags), asm.pteDirty(flags), asm.pteYoung(flags)]).toEqual([asm.pteWrite(present), asm.pteDirty(present), asm.pteYoung(present)]);
      t.run(asm.ptepCopy(t.m, MM, t.address, copy, t.ptep, asm.pteMkold(asm.pteMkclean(asm.pteWrprotect(flags)))));
      expect(asm.pteSame(asm.ptepGet(t.m, copy), asm.pteMkold(asm.pteMkclean(asm.pteWrprotect(present))))).toBe(true);
      expect(asm.pteSame(asm.ptepGet(t.m, t.ptep), present)).toBe(true);
    }
  });
  it('a run of slots is moved where it is not none, swap entries too', () => {
    const t = filled(writable(asm));
    const [next, to] = [(t.ptep + 1) as Ptep, (t.ptep + 2) as Ptep];
    const swapped = asm.swpEntryToPte(5);
    t.run(asm.setPteAt(t.m, MM, t.address, next, swapped));
    t.run(asm.ptepMoveRange(t.m, VMA, t.address, t.ptep, (t.address + 2 * PAGE_SIZE) as Vaddr, to, 2));
    expect([asm.ptepNone(t.m, t.ptep), asm.ptepNone(t.m, next)]).toEqual([true, true]);
    expect([writable(asm), swapped].map((pte, i) => asm.pteSame(asm.ptepGet(t.m, (to + i) as Ptep), pte))).toEqual([true, true]);
  });
  it('a run of slots is modified where a pte is present, and counted', () => {
    const t = filled(writable(asm));
    expect(t.run(asm.ptepModifyRange(t.m, MM, t.address, t.ptep, 2, readonly))).toBe(1);
    expect(asm.pteSame(asm.ptepGet(t.m, t.ptep), asm.pteModify(writable(asm), readonly))).toBe(true);
    expect(asm.ptepNone(t.m, (t.ptep + 1) as Ptep)).toBe(true);
  });
}

function hardwareTests(asm: Arch): void {
  it('an access without a pte faults, one against the protection says that a page was there', () => {
    const t = pageTable(asm);
    expect(t.access(0, false)).toBe(-PF_USER);
    expect(t.access(0, true)).toBe(-(PF_USER | PF_WRITE));
    t.run(asm.setPteAt(t.m, MM, t.address, t.ptep, asm.pfnPte(3 as Pfn, asm.vmGetPageProt(VM_READ))));
    expect(t.access(0, false)).toBe(3);
    expect(t.access(0, true)).toBe(-(PF_USER | PF_WRITE | PF_PROT));
  });
  it('nobody accesses what nobody may', () => {
    const t = pageTable(asm);
    t.run(asm.setPteAt(t.m, MM, t.address, t.ptep, asm.pfnPte(3 as Pfn, asm.vmGetPageProt(0))));
    expect(t.access(0, false)).toBeLessThan(0);
  });
  it('a TLB keeps a translation that the table no longer has, until it is flushed on every CPU', () => {
    for (const flush of ['page', 'range', 'mm'] as const) {
      const t = pageTable(asm);
      t.run(asm.setPteAt(t.m, MM, t.address, t.ptep, writable(asm)));
      for (let cpu = 0; cpu < CPUS; cpu++) expect(t.access(cpu, true)).toBe(3);
      t.run(asm.pteClear(t.m, MM, t.address, t.ptep));
      if (!asm.ARCH.startsWith('s390')) expect(t.access(1, true)).toBe(3);
      if (flush === 'page') t.run(asm.flushTlbPage(t.m, VMA, t.address));
      else if (flush === 'range') t.run(asm.flushTlbRange(t.m, VMA, t.address, (t.address + PAGE_SIZE) as Vaddr));
      else t.run(asm.flushTlbMm(t.m, MM));
      for (let cpu = 0; cpu < CPUS; cpu++) expect(t.access(cpu, false)).toBe(-PF_USER);
    }
  });
  it('a translation filled by a read is walked again for a write, so dirty is never missed', () => {
    const t = pageTable(asm);
    t.run(asm.setPteAt(t.m, MM, t.address, t.ptep, asm.pteMkclean(writable(asm))));
    t.access(0, false);
    expect(asm.pteDirty(asm.ptepGet(t.m, t.ptep))).toBe(false);
    t.access(0, true);
    expect(asm.pteDirty(asm.ptepGet(t.m, t.ptep))).toBe(asm.pteDirty(writable(asm)));
  });
  it('ptepClearFlush is the end of the translation before the notifier hears of it, and leaves the slot empty for it', () => {
    const hooks = hooksOf(asm, 'ptepClearFlush');
    if ((DESIGN as Design) === 'v5') expect(hooks).toEqual([{ op: 'invalidatePage', isSlotNone: true, cachedOn: [] }]);
    else expect(hooks).toEqual([]);
  });
}

/** hugetlb_basic_tests() and what the walker makes of it. An arch without huge pages answers no to everything. */
function hugeTests(asm: Arch): void {
  /** A slot for a huge page where no table of small ones stands, with a page of frames from 3 on. */
  function hugePage(): { t: PageTable; at: Vaddr; huge: Ptep; pmdp: Pmdp } {
    const t = pageTable(asm);
    const { m } = t;
    const at = (t.address - (t.address % asm.HPAGE_SIZE)) as Vaddr;
    const pmdp = asm.pmdOffset(m, asm.pudOffset(m, asm.pgdOffset(m, MM, at), at), at);
    if (asm.HUGE_TABLE_LEVEL === TABLE_PMD) t.run(asm.pmdClear(m, pmdp));
    t.run(asm.pmdMkhuge(m, pmdp));
    const huge = asm.hugePteOffset(m, pmdp, at);
    t.run(asm.setPteAt(m, MM, at, huge, asm.pteMkhuge(writable(asm))));
    return { t, at, huge, pmdp };
  }
  if (asm.HPAGE_SIZE === 0) {
    it('there are none', () => {
      const t = pageTable(asm);
      const pmdp = asm.pmdOffset(t.m, asm.pudOffset(t.m, asm.pgdOffset(t.m, MM, t.address), t.address), t.address);
      expect([asm.pmdHuge(t.m, pmdp), asm.pteHuge(writable(asm)), asm.pteMkhuge(writable(asm))]).toEqual([false, false, writable(asm)]);
    });
    return;
  }
  it('a huge page is whole pages, a power of two of them, and no more than a table of huge entries spans', () => {
    const span = asm.HUGE_TABLE_LEVEL === TABLE_PMD ? asm.PUD_SIZE : asm.PMD_SIZE;
    expect([asm.HPAGE_SIZE % PAGE_SIZE, Number.isInteger(Math.log2(asm.HPAGE_SIZE)), asm.HPAGE_SIZE < span]).toEqual([0, true, true]);
  });
  it('pteMkhuge changes nothing else, and pteModify takes it away or leaves it to be made again', () => {
    const pte = writable(asm);
    const huge = asm.pteMkhuge(pte);
    expect([asm.pteHuge(pte), asm.pteHuge(huge), asm.pteMkhuge(huge)]).toEqual([false, true, huge]);
    expect([asm.ptePfn(huge), asm.pteWrite(huge), asm.pteDirty(huge), asm.pteYoung(huge), asm.ptePresent(huge)]).toEqual([asm.ptePfn(pte), true, asm.pteDirty(pte), asm.pteYoung(pte), true]);
    for (const flags of FLAGS) {
      const modified = asm.pteMkhuge(asm.pteModify(huge, asm.vmGetPageProt(flags)));
      expect([asm.pteHuge(modified), asm.ptePfn(modified), asm.ptePresent(modified)]).toEqual([true, asm.ptePfn(pte), true]);
    }
  });
  it('a table of small pages is none, and a huge page is no table', () => {
    const small = pageTable(asm);
    const pmdp = asm.pmdOffset(small.m, asm.pudOffset(small.m, asm.pgdOffset(small.m, MM, small.address), small.address), small.address);
    expect([asm.pmdHuge(small.m, pmdp), asm.walkPte(small.m, MM, small.address)]).toEqual([false, small.ptep]);
    const { t, at, pmdp: hugePmdp } = hugePage();
    expect([asm.pmdHuge(t.m, hugePmdp), asm.walkPte(t.m, MM, at), asm.walkPte(t.m, MM, (at + PAGE_SIZE) as Vaddr)]).toEqual([true, 0, 0]);
  });
  it('the walker finds the frame of each page in it, sets accessed and dirty in the one entry, and is flushed page by page', () => {
    const { t, at, huge } = hugePage();
    const last = (at + asm.HPAGE_SIZE - PAGE_SIZE) as Vaddr;
    const access = (address: Vaddr, isWrite: boolean): number => {
      const pfn = t.run(asm.hwAccess(t.m, 0, MM, address, isWrite));
      if (pfn > 0) t.run(asm.hwRetire(t.m, 0));
      return pfn;
    };
    t.run(asm.setPteAt(t.m, MM, at, huge, asm.pteMkold(asm.pteMkclean(asm.ptepGet(t.m, huge)))));
    expect([access(at, false), access(last, true)]).toEqual([3, 3 + asm.HPAGE_SIZE / PAGE_SIZE - 1]);
    expect([asm.pteYoung(asm.ptepGet(t.m, huge)), asm.pteDirty(asm.ptepGet(t.m, huge))]).toEqual([true, true]);
    const pte = t.run(asm.ptepGetAndClear(t.m, MM, at, huge));
    expect([asm.pteHuge(pte), asm.ptepNone(t.m, huge), access(last, false)]).toEqual([true, true, 3 + asm.HPAGE_SIZE / PAGE_SIZE - 1]);
    t.run(asm.flushTlbRange(t.m, VMA, at, (at + asm.HPAGE_SIZE) as Vaddr));
    expect([access(at, false), access(last, false)]).toEqual([-PF_USER, -PF_USER]);
  });
}
