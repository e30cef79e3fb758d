/**
 * s390 of 2.6.24, where one thread alone uses an mm: which operation goes through the CPUs' TLBs at once, which leaves that to
 * the flush that follows, and what becomes of it where somebody else takes the mm in between.
 */
import * as asm from '#asm';
import { PAGE_SIZE, VM_READ } from '@mmun/include';
import type { Mm, Task, Vaddr, Vma } from '@mmun/include';
import { gate } from '@mmun/test-support';
import { hooksOf, pageTable, writable } from './debug-vm-pgtable.js';
import type { PageTable } from './debug-vm-pgtable.js';

const s390 = gate('ARCH_S390');
const MM = 1 as Mm;
const VMA = 1 as Vma;

/** A pte that CPU 0 may write by, and who uses the mm. @param isOurs the thread that changes it belongs to it */
function cached(users: number, isOurs = true): PageTable {
  const t = pageTable(asm);
  t.m.mm.mmUsers[MM] = users;
  t.m.task.mm.fill(isOurs ? MM : 0);
  t.run(asm.setPteAt(t.m, MM, t.address, t.ptep, writable(asm)));
  t.access(0, true);
  return t;
}

const isCached = ({ m }: PageTable): boolean => m.tlb.state.some((state) => state !== 0);

const OPS: Readonly<Record<string, (t: PageTable) => Task<string, unknown>>> = {
  ptepGetAndClear: ({ m, address, ptep }) => asm.ptepGetAndClear(m, MM, address, ptep),
  'ptepGetAndClearFull, not full': ({ m, address, ptep }) => asm.ptepGetAndClearFull(m, MM, address, ptep, false),
  'ptepGetAndClearFull, full': ({ m, address, ptep }) => asm.ptepGetAndClearFull(m, MM, address, ptep, true),
  ptepModifyRange: ({ m, address, ptep }) => asm.ptepModifyRange(m, MM, address, ptep, 1, asm.vmGetPageProt(VM_READ)),
  ptepSetWrprotect: ({ m, address, ptep }) => asm.ptepSetWrprotect(m, MM, address, ptep),
  ptepSetAccessFlags: ({ m, address, ptep }) => asm.ptepSetAccessFlags(m, VMA, address, ptep, asm.pteWrprotect(writable(asm)), false),
  ptepClearFlush: ({ m, address, ptep }) => asm.ptepClearFlush(m, VMA, address, ptep),
};

/** What a CPU still has after the operation alone. */
function left(users: number, isOurs: boolean): readonly string[] {
  return Object.keys(OPS).filter((op) => {
    const t = cached(users, isOurs);
    t.run(OPS[op](t));
    return isCached(t);
  });
}

const SPARED = ['ptepGetAndClear', 'ptepGetAndClearFull, full', 'ptepModifyRange', 'ptepSetWrprotect'];

s390.it('the golden matrix: the only user spares IPTE where a flush will follow; for anybody else it is full alone, whose flush came before', () => {
  expect([left(1, true), left(2, true), left(1, false)]).toEqual([SPARED, ['ptepGetAndClearFull, full'], ['ptepGetAndClearFull, full']]);
});

s390.it('flush_tlb_range and flush_tlb_mm flush for the only user, and have nothing to do for others', () => {
  for (const [users, isOurs] of [[1, true], [2, true], [1, false]] as const) {
    for (const flush of ['range', 'mm']) {
      const t = cached(users, isOurs);
      t.run(flush === 'mm' ? asm.flushTlbMm(t.m, MM) : asm.flushTlbRange(t.m, VMA, t.address, (t.address + PAGE_SIZE) as Vaddr));
      expect([users, isOurs, flush, isCached(t)]).toEqual([users, isOurs, flush, users > 1 || !isOurs]);
    }
  }
});

s390.it('somebody who takes the mm between the change and the flush makes both believe in the other: the CPU writes what it may only read', () => {
  const t = cached(1);
  t.run(asm.ptepModifyRange(t.m, MM, t.address, t.ptep, 1, asm.vmGetPageProt(VM_READ)));
  t.m.mm.mmUsers[MM] = 2; // /proc
  t.run(asm.flushTlbRange(t.m, VMA, t.address, (t.address + PAGE_SIZE) as Vaddr));
  expect([asm.pteWrite(asm.ptepGet(t.m, t.ptep)), t.access(0, true)]).toEqual([false, 3]);
});

s390.it('a gather of the only user flushes before it begins and frees pages at once; of others it flushes for tables only', () => {
  const gathers = (users: number, isFull: boolean): readonly boolean[] => {
    const t = cached(users);
    const isPlain = t.run(asm.archTlbGatherMmu(t.m, MM, isFull));
    const isEarly = !isCached(t);
    t.access(0, true);
    t.run(asm.tlbFlush(t.m, MM, isPlain, false));
    const isForPages = !isCached(t);
    t.run(asm.tlbFlush(t.m, MM, isPlain, true));
    return [isPlain, isEarly, isForPages, !isCached(t)];
  };
  expect(asm.TLB_GATHERS_PAGES).toBe(false);
  expect([gathers(1, false), gathers(2, true), gathers(2, false)]).toEqual([[true, true, false, false], [true, true, false, false], [false, false, false, true]]);
});

it('hooks are called alike, whoever uses the mm', () => {
  for (const op of ['ptepGetAndClear', 'ptepClearFlush', 'ptepSetWrprotect', 'ptepModifyRange'] as const) expect(hooksOf(asm, op, 1)).toEqual(hooksOf(asm, op, 2));
});
