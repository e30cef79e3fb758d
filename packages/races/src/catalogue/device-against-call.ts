/**
 * A device that touches a page of a process while the process changes it: the argument of the mail, call by call.
 *
 * With the PT lock held over lookup and install v5 is right. Without, an invalidation falls between the two and finds
 * nothing to drop (20080409144401.GT10133@duo.random).
 */
import { MADV_DONTNEED, PROT_READ } from '@mmun/include';
import type { MaySleep, Task, Vaddr } from '@mmun/include';
import type { Code } from '@mmun/oracle';
import { kvm } from '@mmun/plugin-kvm';
import { defineRace } from '../define.js';
import type { Race, Setup, Variant } from '../define.js';
import { lookupThenInstall } from '../lookup-then-install.js';
import type { RaceContext } from '../race-context.js';

interface Page {
  readonly a: Vaddr;
}

interface CallRace {
  /** `munmap`, as ids have it. */
  readonly call: string;
  readonly title: string;
  readonly source: string;
  readonly finds: readonly Code[];
  readonly run: (t: RaceContext, page: Page) => Task<string, unknown>;
  /** After the page was written. */
  readonly setup?: (t: Setup, page: Page) => void;
  readonly variants?: Race['variants'];
}

const R1 = '20080409144401.GT10133@duo.random';
/** `range`: the later design, which brackets each change and has the driver count and retry. */
const RANGE: Variant = { plugin: kvm, image: 'toy-range' };
const INSTALL: Race['variants'] = { buggy: { plugin: lookupThenInstall }, fixed: { plugin: kvm }, range: RANGE };

/** v6 has the hook that v5 forgot: one call at the end of copy_pte_range, under the lock of the parent's table. */
const FORK_HOOK: Variant = {
  plugin: kvm,
  edit: [
    {
      file: 'mm/src/memory-copy.ts',
      find: "import { vmaMm } from './mm-types.js';\n",
      replace: "import { vmaMm } from './mm-types.js'; import { mmuNotifier } from '#mmu-notifier';\n",
    },
    {
      file: 'mm/src/memory-copy.ts',
      find: '    yield* spinUnlock(m, srcPtl);\n',
      replace: "    yield* mmuNotifier(m, vmaMm(m, srcVma), 'invalidatePages', start, end); yield* spinUnlock(m, srcPtl);\n",
    },
  ],
};

const CALLS: readonly CallRace[] = [
  {
    call: 'munmap', title: 'munmap frees no page that the device still reaches', source: R1,
    finds: ['stale-translation', 'stale-after-return', 'incoherent'],
    run: (t, { a }) => t.munmap(a),
  },
  {
    call: 'mprotect', title: 'after mprotect the device may do no more than the process', source: R1,
    finds: ['excess-permission', 'stale-after-return'],
    run: (t, { a }) => t.mprotect(a, PROT_READ),
  },
  {
    call: 'dontneed', title: 'after MADV_DONTNEED the device does not see the old page', source: R1,
    finds: ['stale-translation', 'stale-after-return', 'incoherent'],
    run: (t, { a }) => t.madvise(a, MADV_DONTNEED),
  },
  {
    call: 'cow', title: 'when a write breaks copy-on-write the device follows to the new page', source: R1,
    finds: ['incoherent', 'lost-write', 'cow-leak', 'excess-permission', 'stale-translation'],
    setup: (t) => { t.fork(); },
    run: (t, { a }) => t.write(a, 9),
  },
  {
    call: 'exit', title: 'when the process ends nothing is left of it in the device', source: R1,
    finds: ['stale-translation', 'stale-after-return'],
    run: (t) => t.exit(),
  },
  {
    call: 'fork', title: 'fork takes the permission to write from the device too', source: '20080220103942.GU7128@v2.random',
    finds: ['excess-permission', 'cow-leak', 'lost-write'],
    run: (t) => t.fork(),
    variants: { buggy: { plugin: kvm }, fixed: FORK_HOOK, range: RANGE },
  },
];

export const deviceAgainstCall: readonly Race[] = CALLS.flatMap((of) => [raceOf(of, false), raceOf(of, true)]);

function raceOf({ call, title, source, finds, run, setup, variants = INSTALL }: CallRace, isWrite: boolean): Race {
  return defineRace<Page>({
    id: `${call}-${isWrite ? 'write' : 'read'}`,
    title: `${title} (device ${isWrite ? 'writes' : 'reads'})`,
    source, finds, variants,
    // writers=1: another thread of the process writes to the page meanwhile; at exit it would keep the address space alive
    ...(call === 'exit' ? {} : { parameters: { writers: 0 } }),
    setup: (t) => {
      const page = { a: t.mmap(1) };
      t.write(page.a, 7);
      setup?.(t, page);
      return page;
    },
    actors: {
      cpu0: run,
      ...(call === 'exit' ? {} : { cpu1: writeIfAsked }),
      dev0: isWrite ? increment : (t, { a }) => t.dev.read(a),
    },
  }) as Race;
}

/** As a program would: load, then store. */
function* increment(t: RaceContext, { a }: Page): Task<MaySleep> {
  yield* t.dev.read(a);
  yield* t.dev.write(a);
}

function* writeIfAsked(t: RaceContext, { a }: Page): Task<MaySleep> {
  if (t.number('writers') > 0) yield* t.write(a, 5);
}
