/** Programs whose driver is wrong: under v5 and range. */
import { MADV_DONTNEED, PROT_READ } from '@mmun/include';
import type { MaySleep, Mm, Pfn, SecondaryMmu, Step, Task } from '@mmun/include';
import { defineRace, kvm, lookupThenInstall, onePage, sharedPage } from '@mmun/races';
import type { Page, Race, RaceContext, SourceEdit, Variant } from '@mmun/races';
import {
  counting, invalidating, looksAgain, neverReady, neverRetries, nothing, pinning, queueing, syncing, through, twoLocks, underPteLock, withDriver, withServices,
} from './tampered.js';

interface Program {
  /** What the wrong variant changes; the right one is KVM, unless `right` says otherwise. */
  readonly wrong: SecondaryMmu;
  readonly right?: SecondaryMmu;
  readonly wrongEdit?: SourceEdit;
  readonly race: Pick<Race<Page>, 'actors'> & Partial<Race<Page>>;
}

const read = (t: RaceContext, { a }: Page): Task<MaySleep, Pfn> => t.dev.read(a);
const write = (t: RaceContext, { a }: Page): Task<MaySleep, Pfn> => t.dev.write(a);
const munmap = (t: RaceContext, { a }: Page): Task<MaySleep, number> => t.munmap(a);
const mprotect = (t: RaceContext, { a }: Page): Task<MaySleep, number> => t.mprotect(a, PROT_READ);
const close = (t: RaceContext): Task<MaySleep> => t.dev.close();

/** Programs by code; `CODE.word` is one more of the code. */
function programs(design: 'v5' | 'range'): Readonly<Record<string, Program>> {
  const late = design === 'v5' ? lookupThenInstall : neverRetries();
  return {
    'stale-translation': { wrong: late, race: { actors: { cpu0: munmap, dev0: read } } },
    'excess-permission': { wrong: late, race: { actors: { cpu0: mprotect, dev0: (t, { a }) => t.dev.fault(a, true) } } },
    'stale-after-return': { wrong: late, race: { actors: { cpu0: mprotect, dev0: write } } },
    'incoherent': {
      wrong: late,
      race: {
        setup: (t) => {
          const page = onePage(t);
          t.fork();
          return page;
        },
        actors: { cpu0: (t, { a }) => t.write(a, 9), dev0: read },
      },
    },
    'lost-dirty': {
      wrong: withServices(() => ({ setPageDirty: nothing })),
      race: {
        setup: sharedPage,
        actors: { dev0: write, cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED) },
      },
    },
    'use-after-free.notifier': {
      wrong: withServices(() => (design === 'v5' ? { synchronizeRcu: nothing as never } : { mmuNotifierUnregister: nothing as never })),
      race: { actors: { cpu0: munmap, dev0: close } },
    },
    'use-after-free.mm': {
      // the struct goes with the process, or with the close, and the driver looks into it once more
      wrong: looksAgain(false), right: looksAgain(true),
      race: { actors: { cpu0: (t) => t.exit(), dev0: close } },
    },
    'use-after-free.work': {
      wrong: queueing(false, design), right: queueing(true, design),
      race: { watchObjects: { 'queueing.dev': 'queueing.dev.isOpen' }, actors: { cpu0: munmap, dev0: close, kworker: (t) => t.work() } },
    },
    'double-free': {
      wrong: withServices((s) => ({ mmuNotifierFree: (mn): void => { s.mmuNotifierFree(mn); s.mmuNotifierFree(mn); } })),
      race: { actors: { dev0: close } },
    },
    'sleep-in-atomic': {
      wrong: withDriver((driver, s) => ({ ops: underPteLock(driver, () => s.synchronizeRcu()) })),
      right: withDriver((driver, s, { locks: [a] }) => ({ ops: underPteLock(driver, function* (): Task<Step> { yield* s.spinLock(a); yield* s.spinUnlock(a); }) })),
      race: { config: { nrSwapSlots: 2 }, actors: { kswapd: (t, { a }) => t.reclaim(a) } },
    },
    'lock-order': {
      wrong: twoLocks(true), right: twoLocks(false),
      race: { actors: { * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> { yield* t.dev.read(a); yield* t.munmap(a); } } },
    },
    'deadlock': { wrong: twoLocks(true), right: twoLocks(false), race: { actors: { cpu0: munmap, dev0: read } } },
    'self-deadlock': {
      wrong: withDriver((driver, s, { locks: [a] }) => ({ ops: invalidating(driver, () => through(s, a, a)) })),
      right: withDriver((driver, s, { locks: [a, b] }) => ({ ops: invalidating(driver, () => through(s, a, b)) })),
      race: { actors: { cpu0: munmap, dev0: read } },
    },
    'lock-misuse': {
      wrong: withDriver((driver, s, { locks: [a] }) => ({ ops: invalidating(driver, () => s.spinUnlock(a)) })),
      race: { actors: { cpu0: munmap, dev0: read } },
    },
    'rcu-misuse': { wrong: syncing(true), right: syncing(false), race: { actors: { cpu0: munmap, dev0: read } } },
    'callback-after-unregister': {
      wrong: withServices(() => (design === 'v5' ? { synchronizeRcu: nothing as never, mmuNotifierFree: () => undefined } : { mmuNotifierUnregister: nothing as never, mmuNotifierFree: () => undefined })),
      race: { actors: { cpu0: munmap, dev0: close } },
    },
    'missed-release': {
      wrong: withServices(() => ({ * mmgetNotZero(): Task<Step, boolean> { return true; }, mmput: nothing as never })),
      race: {
        opensDevices: true,
        setup: (t: Parameters<Race['setup']>[0]) => ({ ...onePage(t), mm: t.mm }),
        actors: { cpu0: (t: RaceContext) => t.exit(), dev0: (t: RaceContext, { mm }: { readonly mm: Mm }) => t.dev.open(mm) },
      } as never,
    },
    'refcount-leak': { wrong: pinning(false), right: pinning(true), race: { actors: { cpu0: munmap, dev0: read } } },
    'data-race': {
      wrong: counting(false), right: counting(true),
      race: { watchFields: ['kvm.pair.count'], actors: { dev0: (t, { a }) => t.dev.fault(a, false), dev1: (t, { a }) => t.dev.fault(a, false) } },
    },
    'retry-livelock': { wrong: neverReady(), race: { actors: { dev0: write } } },
  };
}

export function wrongDrivers(design: 'v5' | 'range'): readonly Race[] {
  const image = design === 'v5' ? 'toy' : 'toy-range';
  return Object.entries(programs(design)).map(([name, { wrong, right = kvm, wrongEdit, race }]) => {
    const buggy: Variant = { plugin: wrong, image, ...(wrongEdit === undefined ? {} : { edit: wrongEdit }) };
    return defineRace<Page>({
      id: idOf(name, design), title: name, source: 'none', finds: [name.replace(/\..*/, '')] as unknown as Race['finds'],
      setup: onePage, ...(race as Pick<Race<Page>, 'actors'>), variants: { buggy, fixed: { plugin: right, image } },
    }) as unknown as Race;
  });
}

/** `use-after-free.mm` under v5 is `use-after-free-v5-mm`. */
export function idOf(name: string, design: string): string {
  const [code, word] = name.split('.');
  return `${code}-${design}${word === undefined ? '' : `-${word}`}`;
}
