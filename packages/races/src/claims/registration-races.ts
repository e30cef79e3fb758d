/** Claims about who is on the list, who takes whom off, and what may be done in release. */
import type { GracePeriod, KernelServices, MaySleep, Mm, MmuNotifier, MmuNotifierOps, Step, Task, Vaddr } from '@mmun/include';
import { kvm } from '@mmun/plugin-kvm';
import type { KvmMmu } from '@mmun/plugin-kvm';
import { defineRace } from '../define.js';
import type { Race, SourceEdit } from '../define.js';
import { V5, freeInstance, tinyMmu, zapLocked } from '../drivers/tiny-mmu.js';
import type { Tiny } from '../drivers/tiny-mmu.js';
import type { RaceFile } from '../race-files.js';
import type { Page } from '../set-ups.js';

const MAIL = '20080131232842.GQ7185@v2.random';

/** KVM over services of which some are changed. */
function over(change: (s: KernelServices) => Partial<KernelServices>): KvmMmu {
  return { ...kvm, attach: (s) => kvm.attach({ ...s, ...change(s) }) };
}

/** Closes as if the address space could not have ended: it takes itself off the list, whoever did so before. */
const unregistersAlways = over(() => ({
  * mmgetNotZero(): Task<Step, boolean> { return true; },
  * mmput(): Task<never> { /* it holds nothing */ },
}));

/** Pins the address space, where KVM pins the struct. */
const pinsUsers = over((s) => ({
  * mmgrab(mm: Mm): Task<Step> { yield* s.mmgetNotZero(mm); },
  mmdrop: (mm: Mm): Task<MaySleep> => s.mmput(mm),
}));

/**
 * The other release that the mail considers: a walk under rcu_read_lock that takes nobody off, where those who want to go
 * unregister inside. It runs where GRU and XPMEM wanted it, before pages are unmapped, as #v8 had it.
 */
const SAFE_RCU: readonly SourceEdit[] = [
  { file: 'mm/src/exit-mmap.ts', find: '  yield* mmuNotifierReleaseEarly(m, mm);\n', replace: '  yield* mmuNotifierRelease(m, mm);\n' },
  { file: 'mm/src/exit-mmap.ts', find: '  yield* mmuNotifierRelease(m, mm);\n  let vma = first;\n', replace: '  let vma = first;\n' },
  {
    file: 'mmu-notifier/src/mmu-notifier.ts',
    find: '  if (m.words[head] === 0) return;\n  let mn = (yield* hlistFirst(m, head)) as MmuNotifier;\n  while (mn !== 0) {\n    const next = (yield* hlistNext(m, m.notifier, mn)) as MmuNotifier;\n',
    replace: '  if (m.words[head] === 0) return;\n  yield* rcuReadLock(m);\n  let mn = (yield* hlistFirst(m, head)) as MmuNotifier;\n  while (mn !== 0) {\n    const next = (yield* hlistNext(m, m.notifier, mn)) as MmuNotifier;\n',
  },
  { file: 'mmu-notifier/src/mmu-notifier.ts', find: '    yield* hlistDelPoison(m, m.notifier, mn);\n', replace: '' },
  { file: 'mmu-notifier/src/mmu-notifier.ts', find: '    mn = next;\n  }\n}\n', replace: '    mn = next;\n  }\n  yield* rcuReadUnlock(m);\n}\n' },
];

/** How the notifier is freed in release, after it unregistered there. */
type Free = (t: Tiny, instance: number, callback: number) => Task<MaySleep>;

const atOnce: Free = function* (t, instance): Task<never> { freeInstance(t, instance); };
const byCallRcu: Free = function* (t, instance, callback): Task<Step> { yield* t.s.callRcu(callback, instance); };
const afterWaiting: Free = function* (t, instance): Task<GracePeriod> {
  yield* t.s.synchronizeRcu();
  freeInstance(t, instance);
};

function goesInRelease(name: string, free: Free, isOnList: boolean): KvmMmu {
  return tinyMmu(name, {
    designs: { ...V5, v5: ['release', 'invalidatePage'] },
    drive: (t) => {
      const { s } = t;
      const callback = s.rcuCallback(function* (instance): Task<Step> { freeInstance(t, instance); });
      const ops: MmuNotifierOps = {
        * release(mn: MmuNotifier, mm: Mm): Task<MaySleep> {
          const instance = s.notifierInstance(mn);
          yield* zapLocked(t, instance, 0 as Vaddr, ALL);
          if (isOnList) yield* s.mmuNotifierUnregister(mn, mm);
          yield* free(t, instance, callback);
          yield* s.mmdrop(mm);
        },
        * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<Step> {
          yield* zapLocked(t, s.notifierInstance(mn), address, (address + 1) as Vaddr);
        },
      };
      return { ops };
    },
  }) as unknown as KvmMmu;
}

const ALL = 0x10000 as Vaddr;

interface Shared extends Page {
  readonly file: RaceFile;
}

/** The process ends while another cuts a file short that it maps: who reports to the dying one walks its list. */
const exitAgainstTruncate: Pick<Race<Shared>, 'setup' | 'actors'> = {
  setup: (t) => {
    const file = t.file();
    const a = t.mmap(1, { file, isShared: true });
    t.write(a, 7);
    return { a, file };
  },
  actors: { cpu0: (t) => t.exit(), other: (t, { file }) => t.truncate(file) },
};

export const registrationRaces: readonly Race[] = [
  defineRace<Page>({
    id: 'unregister-at-exit', title: 'a driver that unregisters while, or after, the address space ends', source: MAIL, finds: ['rcu-misuse', 'double-free', 'use-after-free'],
    variants: { buggy: { plugin: unregistersAlways }, fixed: { plugin: kvm } },
    setup: (t) => ({ a: t.mmap(1) }),
    actors: { cpu0: (t) => t.exit(), dev0: (t) => t.dev.close() },
  }),
  defineRace<Page>({
    id: 'pins-mm-users', title: 'a driver that pins mm_users keeps an address space that nobody is in', source: MAIL, finds: ['refcount-leak'],
    variants: { buggy: { plugin: pinsUsers }, fixed: { plugin: kvm } },
    setup: (t) => ({ a: t.mmap(1) }),
    actors: { cpu0: (t) => t.exit(), dev0: (t, { a }) => t.dev.read(a) },
  }),
  defineRace<Shared>({
    id: 'free-in-release', title: 'a notifier that goes in release is freed by call_rcu', source: MAIL, finds: ['use-after-free'],
    variants: {
      buggy: { plugin: goesInRelease('at-once', atOnce, true), edit: SAFE_RCU },
      fixed: { plugin: goesInRelease('by-call-rcu', byCallRcu, true), edit: SAFE_RCU },
    },
    ...exitAgainstTruncate,
    actors: { ...exitAgainstTruncate.actors, rcu: (t) => t.rcu() },
  }),
  defineRace<Shared>({
    id: 'wait-in-release', title: 'a release that waits for the readers that it is one of', source: MAIL, finds: ['rcu-misuse', 'sleep-in-atomic'],
    variants: {
      buggy: { plugin: goesInRelease('waits', afterWaiting, true), edit: SAFE_RCU },
      // as the patch was posted, release is in no read section and off the list: there it may
      fixed: { plugin: goesInRelease('waits', afterWaiting, false) },
    },
    ...exitAgainstTruncate,
  }),
] as unknown as readonly Race[];
