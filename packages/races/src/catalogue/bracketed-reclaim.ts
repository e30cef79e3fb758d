/**
 * 4.13: reclaim tells of each pte by a start and an end outside of the PT lock, where a driver may sleep, instead of by
 * invalidate_page under it. Design `range` is 4.12; races of later drivers are checked with this.
 */
import type { SourceEdit } from '../define.js';

const FILE = 'mm/src/rmap-walk.ts';

export const BRACKETED_RECLAIM: readonly SourceEdit[] = [
  {
    file: FILE,
    find: " } from '#mmu-notifier';\n",
    replace: " } from '#mmu-notifier';\nimport { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '#mmu-notifier';\n",
  },
  {
    file: FILE,
    find: 'function* tryToUnmapOne(m: Machine, pfn: Pfn, vma: Vma, isForced: boolean): Task<Step, number> {\n',
    replace: `function* tryToUnmapOne(m: Machine, pfn: Pfn, vma: Vma, isForced: boolean): Task<MaySleep, number> {
  const at = vmaAddress(m, pfn, vma) as Vaddr;
  if (at < 0) return SWAP_AGAIN;
  const mm = vmaMm(m, vma);
  yield* mmuNotifierInvalidateRangeStart(m, mm, at, (at + PAGE_SIZE) as Vaddr);
  const result = yield* unmapOneInBracket(m, pfn, vma, isForced);
  yield* mmuNotifierInvalidateRangeEnd(m, mm, at, (at + PAGE_SIZE) as Vaddr);
  return result;
}

function* unmapOneInBracket(m: Machine, pfn: Pfn, vma: Vma, isForced: boolean): Task<Step, number> {
`,
  },
  {
    file: FILE,
    find: '  const pte = yield* ptepClearFlush(m, vma, address, ptep);\n  yield* mmuNotifierInvalidatePage(m, mm, address);\n',
    replace: '  const pte = yield* ptepClearFlush(m, vma, address, ptep);\n',
  },
];
