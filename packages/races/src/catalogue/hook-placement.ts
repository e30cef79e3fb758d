/** Calls to the notifier that are missing, late, or not what they began as: one edit of mm each, and a right plugin. */
import { MREMAP_DONTUNMAP, PROT_READ } from '@mmun/include';
import type { MaySleep, Task, Vaddr } from '@mmun/include';
import type { Code } from '@mmun/oracle';
import { kvm } from '@mmun/plugin-kvm';
import { defineRace } from '../define.js';
import type { Race, SourceEdit } from '../define.js';
import type { RaceContext } from '../race-context.js';

interface Page {
  readonly a: Vaddr;
  readonly to: Vaddr;
}

interface Placement {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly finds: readonly Code[];
  readonly edit: SourceEdit | readonly SourceEdit[];
  readonly run: (t: RaceContext, page: Page) => Task<string, unknown>;
}

const bracket = (file: string, start: string, end: string): readonly SourceEdit[] => [
  { file, find: start, replace: '' },
  { file, find: end, replace: '' },
];

const PLACEMENTS: readonly Placement[] = [
  {
    id: 'no-fork-hook', title: 'M1: fork takes the write permission, and nobody tells the device (v5; SGI until V5)', source: '20080220103942.GU7128@v2.random',
    finds: ['excess-permission', 'cow-leak', 'lost-write'],
    edit: bracket('mm/src/memory-copy.ts', '  yield* mmuNotifierInvalidateRangeStart(m, srcMm, mmunStart, mmunEnd);\n', '  yield* mmuNotifierInvalidateRangeEnd(m, srcMm, mmunStart, mmunEnd);\n'),
    run: (t) => t.fork(),
  },
  {
    id: 'no-mremap-hook', title: 'M1: pages move, and the device keeps them at their old place, which is not unmapped after them (SGI until V5)', source: '20080201050439.009441434',
    finds: ['stale-translation', 'stale-after-return', 'incoherent'],
    edit: bracket('mm/src/mremap.ts', '  yield* mmuNotifierInvalidateRangeStart(m, mm, oldAddr, oldEnd);\n', '  yield* mmuNotifierInvalidateRangeEnd(m, mm, oldAddr, oldEnd);\n'),
    run: (t, { a, to }) => t.mremap(a, to, 1, MREMAP_DONTUNMAP),
  },
  {
    id: 'no-mprotect-hook', title: 'M1: pages become read-only for the process alone (SGI until V6)', source: '20080215064859.384203497',
    finds: ['excess-permission', 'stale-after-return'],
    edit: bracket('mm/src/mprotect.ts', '        yield* mmuNotifierInvalidateRangeStart(m, mm, mmunStart, end);\n', '    yield* mmuNotifierInvalidateRangeEnd(m, mm, mmunStart, end);\n'),
    run: (t, { a }) => t.mprotect(a, PROT_READ),
  },
  {
    id: 'invalidate-after-free', title: 'M2: the range is invalidated when its pages are free (v4; SGI up to V3)', source: '20080122200858.GB15848@v2.random',
    finds: ['stale-translation', 'stale-after-return', 'use-after-free'],
    edit: [
      { file: 'mm/src/memory.ts', find: '  yield* tlbGatherMmu(m, mm, false);\n  yield* mmuNotifierInvalidateRangeStart(m, mm, start, end);\n  if (', replace: '  yield* tlbGatherMmu(m, mm, false);\n  if (' },
      {
        file: 'mm/src/memory.ts', find: 'isFileOnly);\n  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);\n  yield* tlbFinishMmu(m);\n',
        replace: 'isFileOnly);\n  yield* tlbFinishMmu(m);\n  yield* mmuNotifierInvalidateRangeStart(m, mm, start, end);\n  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);\n',
      },
    ],
    run: (t, { a }) => t.madvise(a),
  },
  {
    id: 'end-names-another-range', title: 'M7: the end is called with a variable that the unmapping has moved on (v7)', source: '20080227192610.GF28483@v2.random',
    finds: ['unbalanced-range'],
    edit: {
      file: 'mm/src/memory.ts', find: 'isFileOnly);\n  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);\n',
      replace: 'isFileOnly);\n  yield* mmuNotifierInvalidateRangeEnd(m, mm, end, end);\n',
    },
    run: (t, { a }) => t.madvise(a),
  },
];

export const hookPlacement: readonly Race[] = PLACEMENTS.map(({ id, title, source, finds, edit, run }) => defineRace<Page>({
  id, title, source, finds,
  variants: { buggy: { plugin: kvm, image: 'toy-range', edit }, fixed: { plugin: kvm, image: 'toy-range' } },
  setup: (t) => {
    const a = t.mmap(1);
    t.write(a, 7);
    t.dev.write(a);
    return { a, to: t.room() };
  },
  actors: {
    cpu0: run,
    * dev0(t: RaceContext, { a }: Page): Task<MaySleep> {
      yield* t.dev.access(a, true);
    },
  },
}) as Race);
