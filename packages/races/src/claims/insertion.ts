/** The race that the mail does not see: between a lookup and the entry that is made from it. C9, C10, C11, C23. */
import { ACQUIRE, ACQUIRE_SHARED, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { Vaddr } from '@mmun/include';
import type { Claim, Lab } from './claim.js';
import { clean, convicted } from './explored.js';
import { openBench } from './measure.js';

const BASE = 0x40000000;

const c9: Claim = {
  id: 'C9', text: '"There\'s no smp race even for >4 CPUS"', means: 'With the hooks of v5 no driver can be left with an entry for a page that has gone.',
  run: async (lab) => {
    const evidence = [
      await convicted(lab, { race: 'reclaim-read', variant: 'buggy', says: 'the driver of January 2008: lookup, unlock, entry. Reclaim comes in between' }),
      await convicted(lab, { race: 'munmap-read', variant: 'buggy', says: 'the same against munmap' }),
      await clean(lab, { race: 'reclaim-read', variant: 'fixed', says: 'a driver that makes the entry under the PT lock of its lookup' }),
      await clean(lab, { race: 'munmap-read', variant: 'fixed', says: 'the same against munmap' }),
      await clean(lab, { race: 'munmap-read', variant: 'range', says: 'the later design: start and end, count and sequence' }),
    ];
    return {
      verdict: 'refuted',
      by: 'Two CPUs and one preemption are enough. The device\'s fault finds page P and leaves the PT lock; the other CPU clears the pte, calls invalidate_page, which finds nothing to drop, and frees P; the fault makes its entry to P. The author described it himself ten weeks later (20080409144401.GT10133). The hooks are right: what is missing is a rule for drivers.',
      evidence,
    };
  },
};

const c10: Claim = {
  id: 'C10', text: '"my 100% SMP safe locking"', means: 'The PT lock orders follow_page and get_user_pages of a device\'s fault against every change, so the device is coherent.',
  run: async (lab) => {
    const evidence = [
      await convicted(lab, { race: 'cow-read', variant: 'buggy', says: 'copy-on-write breaks between lookup and entry' }),
      await clean(lab, { race: 'cow-read', variant: 'fixed', says: 'lookup and entry under one PT lock' }),
      await clean(lab, { race: 'cow-write', variant: 'fixed', says: 'the same with a device that writes' }),
    ];
    return {
      verdict: 'refuted',
      by: 'It orders the lookup, and nothing that comes after. The process writes to its new page, and the device goes on reading the old one: it is not freed, so a page pin would not help either.',
      evidence,
    };
  },
};

const c11: Claim = {
  id: 'C11', text: '"already-taken/trashed PT lock"', means: 'No lock is needed beyond those that the VM takes anyway.',
  run: async (lab) => {
    const { rows } = await locksOfCore(lab);
    const evidence = [
      await convicted(lab, { race: 'mprotect-write', variant: 'buggy', says: 'a driver whose fault takes no lock of mm\'s over its entry' }),
      await clean(lab, { race: 'mprotect-write', variant: 'fixed', says: 'one that keeps the PT lock until the entry is made, with a lock of its own below it' }),
      { kind: 'measured' as const, says: 'locks that mm itself takes for mmap, 64 faults, mprotect and munmap', columns: ['design', 'locks taken'], rows },
    ];
    return {
      verdict: 'refuted',
      by: 'True of the VM: with a notifier it takes not one lock more than without the patch. Not true of the driver: it has to keep the PT lock over its insertion, or to count and retry under a lock of its own, or hardware that cancels (GRU), and each of them is something to get right.',
      evidence,
    };
  },
};

const c23: Claim = {
  id: 'C23', text: '"my entirely bug free and strightforward #v5"', means: 'v5 is free of bugs.',
  run: async (lab) => {
    const evidence = [
      await convicted(lab, { race: 'fork-write', variant: 'buggy', says: 'a right driver, and fork: nobody tells the device that the parent\'s page became read only' }),
      await convicted(lab, { race: 'fork-read', variant: 'buggy', says: 'the same where the device only had the right to write' }),
      await clean(lab, { race: 'fork-write', variant: 'fixed', says: '#v6: one call at the end of copy_pte_range' }),
    ];
    return {
      verdict: 'refuted',
      by: 'fork write-protects the pages of the parent and tells nobody: the device writes on, into pages that the child owns too, and the child reads it. #v6 has the hook. Beside this stand C4b (age_page that nobody calls), C9 (no rule for insertion) and C14 (unregister beside release); the hugetlb paths have holes of the same kind.',
      evidence,
    };
  },
};

export const insertion: readonly Claim[] = [c9, c10, c11, c23];

/** The same work under v5 with a notifier, and without the patch. */
async function locksOfCore(lab: Lab): Promise<{ readonly rows: readonly (readonly string[])[] }> {
  const rows: string[][] = [];
  for (const [name, says] of [['x86-off', 'without the patch'], ['x86', 'v5, a notifier registered']] as const) {
    const image = await lab.image(name);
    const bench = openBench(image);
    const steps = bench.steps(() => {
      bench.fill(bench.mmap(BASE, 64), 64);
      bench.run(image.sysMprotect(bench.m, BASE as Vaddr, 64 * PAGE_SIZE, PROT_READ));
      bench.run(image.sysMunmap(bench.m, BASE as Vaddr, 64 * PAGE_SIZE));
    });
    rows.push([says, String(steps.filter(({ kind }) => kind === ACQUIRE || kind === ACQUIRE_SHARED).length)]);
  }
  return { rows };
}
