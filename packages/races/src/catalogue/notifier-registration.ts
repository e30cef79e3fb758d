/** Who gets onto the list of an mm and off it, under which locks, and what a driver makes of the answer. */
import { EAGAIN } from '@mmun/include';
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, SecondaryDriver, Task, Vaddr } from '@mmun/include';
import { kvm } from '@mmun/plugin-kvm';
import { defineRace } from '../define.js';
import type { Race, SourceEdit } from '../define.js';
import { RANGE, V5, freeInstance, mmOfTiny, newInstance, notifierOf, openTiny, rangeOps, tinyMmu } from '../drivers/tiny-mmu.js';
import type { TinyMmu } from '../drivers/tiny-mmu.js';
import type { RaceContext } from '../race-context.js';
import type { RaceFile } from '../race-files.js';

interface Page {
  readonly a: Vaddr;
  readonly mm: Mm;
}

const page = (t: Parameters<Race['setup']>[0]): Page => {
  const a = t.mmap(1);
  t.write(a, 7);
  return { a, mm: t.mm };
};

const V5_FILE = 'mmu-notifier/src/mmu-notifier.ts';
const REGISTER = 'mmu-notifier/src/mmu-notifier-register.ts';
const ALL_LOCKS = 'mm/src/mm-all-locks.ts';

const REGISTER_UNLOCKED: SourceEdit = {
  file: V5_FILE,
  find: '  yield* spinLock(m, lock);\n  yield* hlistAddHeadRcu(m, m.notifier, mn, listHead(m, mm));\n  yield* spinUnlock(m, lock);\n',
  replace: '  yield* hlistAddHeadRcu(m, m.notifier, mn, listHead(m, mm));\n',
};
const UNREGISTER_UNLOCKED: SourceEdit = {
  file: V5_FILE,
  find: '  yield* spinLock(m, lock);\n  yield* hlistDelRcu(m, m.notifier, mn);\n  yield* spinUnlock(m, lock);\n',
  replace: '  yield* hlistDelRcu(m, m.notifier, mn);\n',
};

const TAKES_NO_LOCKS: readonly SourceEdit[] = [
  { file: REGISTER, find: '  const error = yield* host.mmTakeAllLocks(mm);\n', replace: '  const error = 0;\n' },
  { file: REGISTER, find: '  yield* host.mmDropAllLocks(mm);\n', replace: '' },
];
/** What v10 proposed as long as callbacks stood under RCU: those that are under way are waited for, and their end comes all the same. */
const WAITS_INSTEAD: readonly SourceEdit[] = [
  { file: REGISTER, find: '  const error = yield* host.mmTakeAllLocks(mm);\n', replace: '  const error = 0;\n' },
  { file: REGISTER, find: '  yield* host.mmDropAllLocks(mm);\n', replace: '  yield* synchronizeSrcu(m);\n' },
];

/** 7cd5a02f54f4: first merged with the anon_vmas before the files. */
const ANON_BEFORE_FILES: readonly SourceEdit[] = [
  {
    file: ALL_LOCKS,
    find: `    const inode = v.vmFile[vma] === 0 ? 0 : vmaInode(m, vma);
    if (inode === 0 || m.inode.isAllLocked[inode] !== 0) continue;
    yield* mutexLockNest(m, mutexAt(m.inode.iMmapLock, inode), mmapSem);
    m.inode.isAllLocked[inode] = 1;
  }
`,
    replace: `    for (let avc = v.anonVmaChain[vma]; avc !== 0; avc = m.avc.sameVma[avc]) {
      const root = m.anonVma.root[m.avc.anonVma[avc]];
      if (m.anonVma.isAllLocked[root] !== 0) continue;
      yield* mutexLockNest(m, anonMutex(m, root), mmapSem);
      m.anonVma.isAllLocked[root] = 1;
    }
    const inode = v.vmFile[vma] === 0 ? 0 : vmaInode(m, vma);
    if (inode === 0 || m.inode.isAllLocked[inode] !== 0) continue;
    yield* mutexLockNest(m, mutexAt(m.inode.iMmapLock, inode), mmapSem);
    m.inode.isAllLocked[inode] = 1;
  }
`,
  },
];

const TAKES_TWICE: SourceEdit = { file: ALL_LOCKS, find: '      if (m.anonVma.isAllLocked[root] !== 0) continue;\n', replace: '' };

/** GRU of 2.6.27: a signal may have kept it from being registered, and it goes on as if it were. */
function gru(looks: boolean): TinyMmu<SecondaryDriver> {
  return tinyMmu('gru', {
    designs: RANGE,
    drive: (t) => ({
      ops: rangeOps(t),
      * create(mm: Mm): Task<MaySleep, number> {
        if (looks) return yield* openTiny(t, mm);
        const instance = newInstance(t, mm);
        yield* t.s.mmuNotifierRegister(notifierOf(t, instance), mm);
        return instance;
      },
    }),
  });
}

/** Pins the address space, so that it cannot end before the driver lets go; the driver waits for it to end. */
function pinning(usersToo: boolean): TinyMmu<SecondaryDriver> {
  return tinyMmu('pinner', {
    designs: RANGE,
    drive: (t) => ({
      ops: rangeOps(t),
      * create(mm: Mm): Task<MaySleep, number> {
        if (usersToo) yield* t.s.mmgetNotZero(mm);
        return yield* openTiny(t, mm);
      },
    }),
  });
}

/** May not wait, so it refuses; it brings no end, which could not be told from that of another range. */
const refuser = tinyMmu('refuser', {
  designs: RANGE,
  drive: (t) => ({
    ops: {
      release: rangeOps(t).release,
      * invalidateRangeStart(_mn: MmuNotifier, _mm: Mm, _start: Vaddr, _end: Vaddr, isBlockable: boolean): Task<InSrcuRead, number> {
        return isBlockable ? 0 : -EAGAIN;
      },
    },
  }),
});

/** Two notifiers of one mm, without entries: the list is what is at stake. */
const lister = tinyMmu('lister', {
  designs: V5,
  drive: (t) => ({
    ops: {},
    * destroy(instance: number): Task<MaySleep> {
      yield* t.s.mmuNotifierUnregister(notifierOf(t, instance), mmOfTiny(t, instance));
      yield* t.s.synchronizeRcu();
      freeInstance(t, instance);
      yield* t.s.mmdrop(mmOfTiny(t, instance));
    },
  }),
});

export const notifierRegistration: readonly Race[] = [
  defineRace<Page>({
    id: 'refused-start-unpaired',
    title: 'B14, M36: one notifier refuses the OOM reaper\'s start, and those that did not are never told the end',
    source: '20210311180057.1582638-1-seanjc@google.com',
    finds: ['unbalanced-range'],
    variants: {
      buggy: { plugins: [refuser, kvm], image: 'toy-range', edit: { file: 'mmu-notifier/src/mmu-notifier-range.ts', find: '  if (result !== 0) yield* callEnds(m, mm, start, end);\n', replace: '' } },
      fixed: { plugins: [refuser, kvm], image: 'toy-range' },
    },
    setup: page,
    actors: { reaper: (t) => t.oomReap(), * vcpu(t: RaceContext, { a }: Page): Task<MaySleep> { yield* t.devs[1]?.fault(a, false) as Task<MaySleep, number>; } },
  }),
  defineRace<Page>({
    id: 'register-without-head-lock',
    title: 'M24: two drivers register at once, and nothing orders them',
    source: '1201713032.28547.234.camel@lappy',
    finds: ['missed-release'],
    opensDevices: true,
    variants: { buggy: { plugin: kvm, image: 'toy', edit: REGISTER_UNLOCKED }, fixed: { plugin: kvm, image: 'toy' } },
    setup: page,
    actors: { dev0: (t, { mm }) => t.dev.open(mm), dev1: (t, { mm }) => t.dev.open(mm), cpu0: (t) => t.exit() },
  }),
  defineRace<Page & { readonly one: number; readonly two: number }>({
    id: 'unregister-without-head-lock',
    title: 'M25: two notifiers leave the list at once under a lock for reading, as in v4',
    source: '20080122200858.GB15848@v2.random',
    finds: ['rcu-misuse', 'use-after-free'],
    opensDevices: true,
    variants: { buggy: { plugin: lister, image: 'toy', edit: UNREGISTER_UNLOCKED }, fixed: { plugin: lister, image: 'toy' } },
    setup: (t) => ({ ...page(t), one: t.dev.open(), two: t.dev.open() }),
    actors: { dev0: (t, { one }) => t.dev.close(one), dev1: (t, { two }) => t.dev.close(two), cpu0: (t, { a }) => t.munmap(a) },
  }),
  defineRace<Page & { readonly file: RaceFile }>({
    id: 'registered-between-start-and-end',
    title: 'M27, M29: who registers while a range is under way is told an end without its start',
    source: '1489529e7b53d3f2dab8.1209740704@duo.random',
    finds: ['unbalanced-range'],
    opensDevices: true,
    variants: {
      buggy: { plugin: kvm, image: 'toy-range', edit: TAKES_NO_LOCKS },
      fixed: { plugin: kvm, image: 'toy-range' },
      'grace-period': { plugin: kvm, image: 'toy-range', edit: WAITS_INSTEAD },
    },
    setup: (t) => {
      const file = t.file();
      const a = t.mmap(1, { file, isShared: true });
      t.write(a, 7);
      return { a, mm: t.mm, file };
    },
    actors: { other: (t, { file }) => t.truncate(file), dev0: (t, { mm }) => t.dev.open(mm) },
  }),
  defineRace<Page & { readonly child: number }>({
    id: 'all-locks-out-of-order',
    title: 'M33: mm_take_all_locks takes anon_vmas before files, and a VMA that is split takes them the other way',
    source: '7cd5a02f54f4',
    finds: ['deadlock', 'lock-order'],
    opensDevices: true,
    variants: { buggy: { plugin: kvm, image: 'toy-range', edit: ANON_BEFORE_FILES }, fixed: { plugin: kvm, image: 'toy-range' } },
    setup: (t) => {
      const a = t.mmap(2, { file: t.file(2) });
      t.write(a, 7);
      return { a, mm: t.mm, child: t.fork() };
    },
    actors: { dev0: (t, { mm }) => t.dev.open(mm), cpu1: { as: (s) => s.child, run: (t, { a }) => t.munmap(a) } },
  }),
  defineRace<Page>({
    id: 'all-locks-taken-twice',
    title: 'M34: two VMAs share an anon_vma, and its lock is taken for each of them',
    source: 'alpine.LFD.1.10.0805071324570.3024',
    finds: ['self-deadlock'],
    opensDevices: true,
    variants: { buggy: { plugin: kvm, image: 'toy-range', edit: TAKES_TWICE }, fixed: { plugin: kvm, image: 'toy-range' } },
    setup: (t) => {
      const a = t.mmap(2);
      t.write(a, 7);
      t.mprotect(a, 1);
      return { a, mm: t.mm };
    },
    actors: { dev0: (t, { mm }) => t.dev.open(mm) },
  }),
  defineRace<Page>({
    id: 'gru-ignores-registration',
    title: 'M39: a signal keeps the driver from being registered, and it does not look',
    source: '7f2251b1bcd',
    finds: ['stale-translation', 'stale-after-return'],
    opensDevices: true,
    variants: { buggy: { plugin: gru(false), image: 'toy-range' }, fixed: { plugin: gru(true), image: 'toy-range' } },
    config: { faultInjection: true },
    setup: page,
    actors: {
      * cpu0(t: RaceContext, { a, mm }: Page): Task<MaySleep> {
        const instance = yield* t.dev.open(mm);
        if (instance < 0) return;
        yield* t.dev.read(a, instance);
        yield* t.munmap(a);
      },
    },
  }),
  defineRace<Page>({
    id: 'pinned-with-mm-users',
    title: 'M40, C15: a driver that pins mm_users keeps its process from ending',
    source: '20080131171806.GN7185@v2.random',
    finds: ['refcount-leak'],
    variants: { buggy: { plugin: pinning(true), image: 'toy-range' }, fixed: { plugin: pinning(false), image: 'toy-range' } },
    setup: page,
    actors: { cpu0: (t) => t.exit() },
  }),
] as unknown as readonly Race[];
