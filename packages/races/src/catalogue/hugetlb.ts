/**
 * Huge pages: where v5 says nothing, or too little, and where the range design of 4.12 says less than it does.
 *
 * On the toy a huge page is two pages, and one table of ptes holds two huge entries, which processes can share.
 */
import { PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { MaySleep, Task, TaskStruct, Vaddr } from '@mmun/include';
import type { Code } from '@mmun/oracle';
import { kvm } from '@mmun/plugin-kvm';
import { defineRace } from '../define.js';
import type { Race, Setup, SourceEdit, Variant } from '../define.js';
import type { RaceContext } from '../race-context.js';

interface Page {
  readonly a: Vaddr;
  /** Of a forked process. */
  readonly child: TaskStruct;
}

const P = PAGE_SIZE;
const UNMAP = 'mm/src/hugetlb-unmap.ts';

const V5: Variant = { plugin: kvm };
const RANGE: Variant = { plugin: kvm, image: 'toy-range' };

/** 017b1660df89 (2018): who may leave a shared table says so of all that the table spans. adjust_range_if_pmd_sharing_possible() */
const ANNOUNCES_THE_TABLE: readonly SourceEdit[] = [
  {
    file: UNMAP, find: '  yield* mmuNotifierInvalidateRangeStart(m, mm, start, end);\n',
    replace: '  const from = (start - (start % 0x4000)) as Vaddr;\n  const to = (Math.ceil(end / 0x4000) * 0x4000) as Vaddr;\n  yield* mmuNotifierInvalidateRangeStart(m, mm, from, to);\n',
  },
  { file: UNMAP, find: '  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);\n', replace: '  yield* mmuNotifierInvalidateRangeEnd(m, mm, from, to);\n' },
];

interface CallRace {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly finds: readonly Code[];
  readonly isWrite: boolean;
  /** Pages behind the huge page's first that the device accesses. */
  readonly offset?: number;
  readonly setup?: (t: Setup, a: Vaddr) => void;
  readonly run: (t: RaceContext, page: Page) => Task<string, unknown>;
}

/** What v5 forgot (history 1.5), each right under the range design. */
const CALLS: readonly CallRace[] = [
  {
    id: 'hugetlb-fork', title: 'fork takes the permission to write to a huge page from the device too', source: '1382283454-17163-1-git-send-email-andreas@sandberg.pp.se',
    finds: ['excess-permission', 'cow-leak', 'lost-write'], isWrite: true,
    run: (t) => t.fork(),
  },
  {
    id: 'hugetlb-cow', title: 'when a write copies a huge page the device follows to the new one', source: '4BFED954.8060807@cray.com',
    finds: ['incoherent', 'stale-translation', 'cow-leak'], isWrite: false,
    setup: (t) => { t.fork(); },
    run: (t, { a }) => t.write(a, 9),
  },
  {
    id: 'hugetlb-mprotect', title: 'after mprotect of a huge page the device may do no more than the process', source: '20080131171806.GN7185@v2.random',
    finds: ['excess-permission', 'stale-after-return'], isWrite: true,
    run: (t, { a }) => t.mprotect(a, PROT_READ, 2),
  },
  {
    id: 'hugetlb-munmap', title: 'munmap of a huge page says so of every page that a device may have mapped alone', source: '20170829235447.10050-1',
    finds: ['stale-translation', 'stale-after-return', 'incoherent'], isWrite: false, offset: 1,
    run: (t, { a }) => t.munmap(a, 2),
  },
];

export const hugetlb: readonly Race[] = [
  ...CALLS.map(callRace),
  defineRace<Page>({
    id: 'hugetlb-unshare-range', title: 'who leaves a shared table says so of all that it translates', source: '017b1660df89',
    finds: ['stale-after-return', 'incoherent', 'stale-translation'],
    variants: { buggy: RANGE, fixed: { ...RANGE, edit: ANNOUNCES_THE_TABLE }, v5: V5 },
    config: { nrHugePages: 2, nrFrames: 8 },
    setup: (t) => sharedTable(t),
    actors: {
      cpu0: (t, { a }) => t.munmap((a + 2 * P) as Vaddr, 2),
      * dev0(t, { a }): Task<MaySleep> { yield* t.dev.read(a); },
    },
  }) as Race,
];

/** Two huge pages that this process and a child have mapped through one table. */
function sharedTable(t: Setup): Page {
  const a = t.mmap(4, { isHuge: true, isShared: true });
  t.write(a, 7);
  const child = t.fork();
  t.readAs(child, a);
  return { a, child };
}

function callRace({ id, title, source, finds, isWrite, offset = 0, setup, run }: CallRace): Race {
  return defineRace<Page>({
    id, title, source, finds,
    variants: { buggy: V5, fixed: RANGE },
    config: { nrHugePages: 3, nrFrames: 8 },
    setup: (t) => {
      const a = t.mmap(2, { isHuge: true });
      for (const at of [a, (a + offset * P) as Vaddr]) t.write(at, 7);
      setup?.(t, a);
      return { a, child: 0 as TaskStruct };
    },
    actors: {
      cpu0: run,
      * dev0(t: RaceContext, { a }: Page): Task<MaySleep> {
        const at = (a + offset * P) as Vaddr;
        yield* t.dev.read(at);
        if (isWrite) yield* t.dev.write(at);
      },
    },
  }) as Race;
}
