/**
 * A device that touches a page of a process while the process changes it: the argument of the mail, call by call.
 *
 * With the PT lock held over lookup and install v5 is right. Without, an invalidation falls between the two and finds
 * nothing to drop (20080409144401.GT10133@duo.random).
 */
import { MADV_DONTNEED, PROT_READ } from '@mmun/include';
import type { MachineConfig, MaySleep, Task, Vaddr } from '@mmun/include';
import type { Code } from '@mmun/oracle';
import { gru } from '@mmun/plugin-gru';
import { kvm } from '@mmun/plugin-kvm';
import { xpmem } from '@mmun/plugin-xpmem';
import { defineRace } from '../define.js';
import type { Race, Setup, Variant } from '../define.js';
import { lookupThenInstall } from '../lookup-then-install.js';
import type { RaceContext } from '../race-context.js';
import type { RaceFile } from '../race-files.js';

interface Page {
  readonly a: Vaddr;
  /** Where mremap takes it. */
  readonly to: Vaddr;
  /** Where truncate takes it from. */
  readonly file?: RaceFile;
}

interface CallRace {
  /** `munmap`, as ids have it. */
  readonly call: string;
  readonly title: string;
  readonly source: string;
  readonly finds: readonly Code[];
  readonly run: (t: RaceContext, page: Page) => Task<string, unknown>;
  /** Who makes the call; left out: the process. */
  readonly actor?: 'kswapd' | 'other';
  /** After the page was written. */
  readonly setup?: (t: Setup, page: Page) => void;
  /** The page is of a file that is mapped shared. */
  readonly isFile?: boolean;
  /** What the device does after its access. */
  readonly afterwards?: (t: RaceContext) => Task<MaySleep>;
  readonly config?: Partial<MachineConfig>;
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

/** Frees the notifier while an op may be looking at it. */
const NO_GRACE_PERIOD: Variant = {
  plugin: { ...kvm, attach: (s) => kvm.attach({ ...s, * synchronizeRcu(): Task<never> { /* that is the bug */ } }) },
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
  {
    call: 'mremap', title: 'when pages move nobody reaches them at their old place', source: R1,
    finds: ['stale-translation', 'stale-after-return', 'incoherent'],
    run: (t, { a, to }) => t.mremap(a, to),
  },
  {
    call: 'reclaim', title: 'reclaim takes no page that the device still reaches', source: R1, actor: 'kswapd', config: { nrSwapSlots: 2 },
    finds: ['stale-translation', 'stale-after-return', 'incoherent', 'lost-write'],
    run: (t, { a }) => t.reclaim(a),
  },
  {
    call: 'truncate', title: 'when a file is cut short nothing behind its end is reached', source: R1, actor: 'other', isFile: true,
    finds: ['stale-translation', 'stale-after-return', 'incoherent'],
    run: (t, { file }) => t.truncate(file as RaceFile),
  },
  {
    call: 'unregister', title: 'a driver that goes while pages go is called no more, and no sooner gone than that', source: '20080131171806.GN7185@v2.random',
    finds: ['use-after-free', 'callback-after-unregister'],
    run: (t, { a }) => t.munmap(a),
    afterwards: (t) => t.dev.close(),
    variants: { buggy: NO_GRACE_PERIOD, fixed: { plugin: kvm }, range: RANGE },
  },
];

export const deviceAgainstCall: readonly Race[] = CALLS.flatMap((of) => [raceOf(of, false), raceOf(of, true)]);

/** The same races with other devices: `variantsOf('munmap')` says which; where it returns null there is no such race. */
export function deviceRaces(prefix: string, variantsOf: (call: string) => Race['variants'] | null): readonly Race[] {
  return CALLS.flatMap((of) => {
    const variants = variantsOf(of.call);
    return variants === null ? [] : [raceOf({ ...of, variants }, false), raceOf({ ...of, variants }, true)].map((race) => ({ ...race, id: `${prefix}-${race.id}` }));
  });
}

function raceOf({ call, title, source, finds, run, setup, actor, isFile = false, afterwards, config = {}, variants = INSTALL }: CallRace, isWrite: boolean): Race {
  return defineRace<Page>({
    id: `${call}-${isWrite ? 'write' : 'read'}`,
    title: `${title} (device ${isWrite ? 'writes' : 'reads'})`,
    source, finds, config,
    // other right drivers, on the designs as they were
    variants: { ...variants, 'v5-gru': { plugin: gru }, 'range-gru': { plugin: gru, image: 'toy-range' }, 'range-xpmem': { plugin: xpmem, image: 'toy-range' } },
    // writers=1: another thread of the process writes to the page meanwhile; at exit it would keep the address space alive
    ...(call === 'exit' ? {} : { parameters: { writers: 0 } }),
    setup: (t) => {
      const file = isFile ? { file: t.file() } : {};
      const page: Page = { a: t.mmap(1, { ...file, isShared: isFile }), to: t.room(), ...file };
      t.write(page.a, 7);
      setup?.(t, page);
      return page;
    },
    actors: {
      [actor ?? 'cpu0']: run,
      ...(call === 'exit' ? {} : { cpu1: writeIfAsked }),
      * dev0(t: RaceContext, page: Page): Task<MaySleep> {
        yield* isWrite ? increment(t, page) : readOnce(t, page);
        if (afterwards !== undefined) yield* afterwards(t);
      },
    },
  }) as Race;
}

function* readOnce(t: RaceContext, { a }: Page): Task<MaySleep> {
  yield* t.dev.read(a);
}

/** As a program would: load, then store. */
function* increment(t: RaceContext, { a }: Page): Task<MaySleep> {
  yield* t.dev.read(a);
  yield* t.dev.write(a);
}

function* writeIfAsked(t: RaceContext, { a }: Page): Task<MaySleep> {
  if (t.number('writers') > 0) yield* t.write(a, 5);
}
