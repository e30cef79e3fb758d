/** What kvm.toy.spec.ts explores: each fault protocol against each call; and lines of KVM that matter, taken away or moved. */
import { MADV_DONTNEED, PAGE_SIZE } from '@mmun/include';
import type { Design, MaySleep, Pfn, Task, Vaddr } from '@mmun/include';
import { kvm, kvmWith } from '@mmun/plugin-kvm';
import type { KvmDriver, KvmMmu, Protocol } from '@mmun/plugin-kvm';
import { defineRace, deviceRaces, lookupThenInstall } from '@mmun/races';
import type { Race, RaceContext, Setup, SourceEdit, Variant } from '@mmun/races';

type On = Exclude<Design, 'off'>;
const PROTOCOLS: readonly Protocol[] = ['pt-lock', 'retry', 'pinned'];
const DESIGNS: readonly On[] = ['v5', 'range'];
const imageOf = (design: On): NonNullable<Variant['image']> => (design === 'v5' ? 'toy' : 'toy-range');

/** v5 forgot fork, whoever asks. */
const against = (design: On, protocol: Protocol): readonly Race[] => deviceRaces(`${design}-${protocol}`, (call) => (call === 'fork' && design === 'v5' ? null : {
  buggy: { plugin: lookupThenInstall }, fixed: { plugin: kvmWith({ protocol }), image: imageOf(design) },
}));

/** KVM of January 2008: a reference instead of a look back. Not a right protocol; what it is wrong about is a test of its own. */
export const january2008: readonly Race[] = against('v5', 'pinned');
/** The others. */
export const protocols: readonly Race[] = DESIGNS.flatMap((design) => PROTOCOLS.flatMap((protocol) => (design === 'v5' && protocol === 'pinned' ? [] : against(design, protocol))));

interface Page {
  readonly a: Vaddr;
  /** Guest physical, where it is not `a`. */
  readonly gpa: number;
  readonly pfn?: number;
}

/** The half of reclaim that only looks whether a page is used. */
interface Aging {
  pageReferenced(m: RaceContext['m'], pfn: Pfn, isLocked: boolean): Task<MaySleep, number>;
}

interface Wrong extends Pick<Race<Page>, 'id' | 'title' | 'source' | 'finds' | 'setup' | 'actors'> {
  readonly on: readonly On[];
  readonly edit: SourceEdit | readonly SourceEdit[];
  readonly plugin?: KvmMmu;
  readonly config?: Race['config'];
}

const onePage = (t: Setup): Page => {
  const a = t.mmap(1);
  t.write(a, 7);
  return { a, gpa: a };
};

/** The guest has the page in its TLB. */
const touchedPage = (t: Setup): Page => {
  const page = onePage(t);
  t.dev.read(page.a);
  return page;
};

/** One access of a vCPU with what it has. */
function access(t: RaceContext, vcpu: number, gpa: number): Task<MaySleep, Pfn> {
  return t.dev.own(t.driver<KvmDriver>().guestAccess({ instance: t.dev.instance, vcpu, gpa }, false));
}

const readAgainstDontneed: Pick<Wrong, 'setup' | 'actors'> = {
  setup: onePage,
  actors: { cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED), dev0: (t, { a }) => t.dev.read(a) },
};
const STALE: Race['finds'] = ['stale-translation', 'stale-after-return', 'incoherent'];
const mmu = 'plugin-kvm/src/mmu.ts';
const COMMIT = '  yield* flushRemoteTlbs(k, kvm);\n  while (k.kvm.zapped[kvm] !== 0) {\n';

const WRONG: readonly Wrong[] = [
  {
    id: 'no-flush', on: DESIGNS, title: 'a spte is cleared, and the TLBs of vCPUs are let be', source: 'kvm_flush_remote_tlbs', finds: STALE,
    edit: { file: mmu, find: COMMIT, replace: '  while (k.kvm.zapped[kvm] !== 0) {\n' },
    setup: touchedPage,
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => access(t, 0, a) },
  },
  {
    id: 'flush-before-zap', on: ['v5'], title: 'TLBs are flushed first and the spte is cleared then, so that a vCPU fetches it again', source: 'kvm_flush_remote_tlbs', finds: STALE,
    edit: [
      { file: mmu, find: COMMIT, replace: '  while (k.kvm.zapped[kvm] !== 0) {\n' },
      {
        file: mmu,
        find: '  for (let hva: number = start; hva < end; hva += PAGE_SIZE) {\n    for (let row = firstSpte(k, kvm, hva as Vaddr); row !== 0; row = firstSpte(k, kvm, hva as Vaddr)) {\n',
        replace: '  yield* flushRemoteTlbs(k, kvm);\n  for (let hva: number = start; hva < end; hva += PAGE_SIZE) {\n    for (let row = firstSpte(k, kvm, hva as Vaddr); row !== 0; row = firstSpte(k, kvm, hva as Vaddr)) {\n',
      },
    ],
    setup: touchedPage,
    actors: {
      cpu0: (t, { a }) => t.munmap(a),
      * dev0(t: RaceContext, { a }: Page): Task<MaySleep> {
        yield* access(t, 0, a);
        yield* access(t, 0, a);
      },
    },
  },
  {
    id: 'flush-of-one-vcpu', on: DESIGNS, title: 'the flush reaches the first vCPU only', source: 'kvm_flush_remote_tlbs', finds: STALE,
    edit: { file: 'plugin-kvm/src/tlb.ts', find: 'vcpu < first + k.kvm.nrVcpus[kvm]', replace: 'vcpu < first + 1' },
    setup: (t) => {
      const page = onePage(t);
      const driver = t.driver() as unknown as KvmDriver;
      t.run(driver.createVcpu(t.dev.instance) as Task<MaySleep, number>);
      t.run(driver.guestFault({ instance: t.dev.instance, vcpu: 1, gpa: page.a }, false));
      t.dev.own(driver.guestAccess({ instance: t.dev.instance, vcpu: 1, gpa: page.a }, false) as Task<MaySleep, Pfn>);
      return page;
    },
    actors: { cpu0: (t, { a }) => t.munmap(a), dev1: (t, { a }) => access(t, 1, a) },
  },
  {
    id: 'first-alias-only', on: DESIGNS, title: 'a page that two slots map is dropped from the first one', source: 'kvm_handle_hva', finds: STALE,
    edit: { file: mmu, find: 'slot < (kvm + 1) * KVM_MEMORY_SLOTS; slot++', replace: 'slot < from + 1; slot++' },
    setup: (t) => {
      const { a } = onePage(t);
      const driver = t.driver() as unknown as KvmDriver;
      const { instance } = t.dev;
      t.run(driver.setMemoryRegion(instance, { slot: 0, baseGfn: 0, npages: 8, userspaceAddr: 0 as Vaddr }));
      t.run(driver.setMemoryRegion(instance, { slot: 1, baseGfn: 8, npages: 1, userspaceAddr: a }));
      const gpa = 8 * PAGE_SIZE;
      t.run(driver.guestFault({ instance, vcpu: 0, gpa }, false));
      return { a, gpa };
    },
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { gpa }) => access(t, 0, gpa) },
  },
  {
    id: 'm45-sequence-after-unlock', on: ['v5'], title: 'the sequence moves after mmuLock is left', source: 'history 6, M45', finds: STALE, plugin: kvmWith({ protocol: 'retry' }),
    edit: {
      file: mmu,
      find: "  if (k.protocol !== 'pt-lock') yield* moveSequence(k, kvm);\n  yield* unmapPages(k, kvm, start, end);\n  yield* k.s.spinUnlock(lock);\n",
      replace: '  yield* unmapPages(k, kvm, start, end);\n  yield* k.s.spinUnlock(lock);\n  yield* moveSequence(k, kvm);\n',
    },
    ...readAgainstDontneed,
  },
  {
    id: 'sequence-after-lookup', on: ['range'], title: 'the sequence is read after the page was looked up', source: 'e930bffe95e1', finds: STALE,
    edit: {
      file: 'plugin-kvm/src/page-fault.ts',
      find: '    yield* k.s.step(READ, seqWhere(k, kvm));\n    const seq = k.kvm.mmuNotifierSeq[kvm];\n    const pfn = yield* k.s.getUserPages(mmOf(k, kvm), hva, isWrite);\n    if (pfn < 0) return pfn;\n',
      replace: '    const pfn = yield* k.s.getUserPages(mmOf(k, kvm), hva, isWrite);\n    if (pfn < 0) return pfn;\n    yield* k.s.step(READ, seqWhere(k, kvm));\n    const seq = k.kvm.mmuNotifierSeq[kvm];\n',
    },
    ...readAgainstDontneed,
  },
  {
    id: 'entries-after-release', on: ['range'], title: 'a fault that looked its page up before release makes an entry after it', source: 'the deviation of kvm-ops.ts', finds: STALE,
    edit: { file: mmu, find: '  k.kvm.state[kvm] = k.kvm.state[kvm] | KVM_DEAD;\n', replace: '' },
    setup: onePage,
    actors: { cpu0: (t) => t.exit(), dev0: (t, { a }) => t.dev.read(a) },
  },
  {
    id: 'entries-after-unregister', on: ['v5'], title: 'the entries go after the notifier, and one of them dirties a page that is free', source: 'found by unregister-write', finds: ['use-after-free'],
    edit: {
      file: 'plugin-kvm/src/kvm-main.ts',
      find: '  yield* zapForGood(k, vm, false);\n  yield* k.s.mmuNotifierUnregister(notifierOf(k, vm), mm);\n',
      replace: '  yield* k.s.mmuNotifierUnregister(notifierOf(k, vm), mm);\n  yield* zapForGood(k, vm, false);\n',
    },
    setup: (t) => {
      const page = onePage(t);
      t.dev.write(page.a);
      return page;
    },
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t) => t.dev.close() },
  },
  {
    id: 'age-by-store', on: DESIGNS, plugin: kvmWith({ protocol: 'pt-lock' }), title: 'the mark of use is cleared by a load and a store, and a dirty mark in between is lost', source: 'KVM7', finds: ['lost-dirty'],
    edit: {
      file: mmu,
      find: '      yield* k.s.step(WRITE, spteWhere(k, row));\n      if ((k.spte.spte[row] & SPTE_A) !== 0) young = 1;\n      k.spte.spte[row] = k.spte.spte[row] & ~SPTE_A;\n',
      replace: '      yield* k.s.step(WRITE, spteWhere(k, row));\n      const old = k.spte.spte[row];\n      yield* k.s.step(WRITE, spteWhere(k, row));\n      if ((old & SPTE_A) !== 0) young = 1;\n      k.spte.spte[row] = old & ~SPTE_A;\n',
    },
    setup: (t) => {
      const a = t.mmap(1, { isShared: true });
      t.read(a);
      const pfn = t.dev.read(a);
      return { a, gpa: a, pfn };
    },
    actors: {
      * cpu0(t: RaceContext, { a, pfn = 0 }: Page): Task<MaySleep> {
        yield* (t.image as unknown as Aging).pageReferenced(t.m, pfn as Pfn, false);
        yield* t.madvise(a, MADV_DONTNEED);
      },
      dev0: (t, { a }) => t.dev.access(a, true),
    },
  },
];

/** Each on each design that it is wrong on: `range-no-flush`. */
export const wrong: readonly Race[] = WRONG.flatMap(({ on, edit, plugin = kvm, config = {}, ...race }) => on.map((design) => defineRace<Page>({
  ...race, id: `${design}-${race.id}`, config,
  variants: { buggy: { plugin, image: imageOf(design), edit }, fixed: { plugin, image: imageOf(design) } },
}) as Race));

export const races: readonly Race[] = [...january2008, ...protocols, ...wrong];
